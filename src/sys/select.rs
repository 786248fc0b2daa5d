//! select(2), for waits that poll(2) refuses: poll takes no more descriptors than RLIMIT_NOFILE, and a
//! sandbox may have lowered that below the number of those that are open, to 0 even.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::{cvt, memory, time};

type Word = libc::c_ulong;
const BITS: usize = Word::BITS as usize;

/// Waits like ppoll(2), for `POLLIN`, `POLLOUT` and `POLLPRI`; an error or hang-up is readiness for
/// whatever is asked.
///
/// # Errors
/// EINTR, ENOMEM.
pub fn wait(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<usize> {
    let end = fds.iter().map(|one| one.fd + 1).max().unwrap_or(0).max(0);
    let words = (end as usize).div_ceil(BITS);
    let mut bits = Vec::new();
    let bits = memory::fill(&mut bits, 0 as Word, 3 * words)?;
    for one in fds.iter().filter(|one| one.fd >= 0) {
        for (set, _) in EVENTS.iter().enumerate().filter(|(_, e)| one.events & **e != 0) {
            bits[set * words + one.fd as usize / BITS] |= 1 << (one.fd as usize % BITS);
        }
    }
    let time = timeout.map(time::timespec);
    let time = time.as_ref().map_or(std::ptr::null(), |t| &raw const *t);
    let [read, write, except] = [0, 1, 2].map(|set| bits[set * words..].as_mut_ptr().cast());
    // SAFETY: each set has a bit for every number below `end`, and lives above, as the time does.
    match cvt(unsafe { libc::pselect(end, read, write, except, time, std::ptr::null()) }) {
        Err(e) if e.raw_os_error() == Some(libc::EBADF) => return Ok(invalid(fds)),
        result => result?,
    };
    let mut ready = 0;
    for one in &mut *fds {
        one.revents = 0;
        for (set, event) in EVENTS.iter().enumerate().filter(|_| one.fd >= 0) {
            let word = bits[set * words + one.fd as usize / BITS];
            if word >> (one.fd as usize % BITS) & 1 != 0 {
                one.revents |= event;
            }
        }
        ready += usize::from(one.revents != 0);
    }
    Ok(ready)
}

const EVENTS: [i16; 3] = [libc::POLLIN, libc::POLLOUT, libc::POLLPRI];

/// Marks descriptors that are not open, or open for their name only: those are of sockets that are
/// being closed.
fn invalid(fds: &mut [libc::pollfd]) -> usize {
    // SAFETY: no pointers.
    let flags = |fd: RawFd| unsafe { libc::fcntl(fd, libc::F_GETFL) };
    let dead = |fd| fd >= 0 && (flags(fd) < 0 || flags(fd) & libc::O_PATH != 0);
    fds.iter_mut().for_each(|one| one.revents = if dead(one.fd) { libc::POLLNVAL } else { 0 });
    fds.iter().filter(|one| one.revents != 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll;
    use std::os::fd::{AsRawFd, IntoRawFd};

    #[test]
    fn it_answers_as_poll_does() {
        let (Ok(quiet), Ok(full)) = (poll::eventfd(), poll::eventfd()) else { panic!("eventfd") };
        assert!(poll::signal(&full).is_ok());
        let Ok(far) = std::fs::File::open("/dev/null") else { panic!("/dev/null") };
        // SAFETY: no pointers; the copy is closed below.
        let far = unsafe { libc::fcntl(far.into_raw_fd(), libc::F_DUPFD_CLOEXEC, 700) };
        assert!(far >= 700);
        let ask = |fd, events| libc::pollfd { fd, events, revents: -1 };
        let mut fds = [
            ask(quiet.as_raw_fd(), libc::POLLIN),
            ask(full.as_raw_fd(), libc::POLLIN | libc::POLLOUT),
            ask(-1, libc::POLLIN),
            ask(far, libc::POLLIN | libc::POLLPRI),
        ];
        let mut same = fds;
        let now = Some(Duration::ZERO);
        assert_eq!(wait(&mut fds, now).ok(), poll::ppoll(&mut same, now).ok());
        let seen = |fds: &[libc::pollfd]| fds.iter().map(|f| f.revents).collect::<Vec<_>>();
        assert_eq!(seen(&fds), seen(&same));
        // SAFETY: no pointers; it was made above.
        unsafe { libc::close(far) };
        assert_eq!(wait(&mut fds, now).ok(), Some(1));
        assert_eq!(seen(&fds), [0, 0, 0, libc::POLLNVAL]);
        let began = std::time::Instant::now();
        let span = Duration::from_millis(20);
        assert_eq!(wait(&mut fds[..1], Some(span)).ok(), Some(0));
        assert!(began.elapsed() >= span);
    }
}
