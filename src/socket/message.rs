//! Messages: data in pieces, and ancillary data (descriptors, times, interfaces) beside it.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use super::Socket;
use super::transfer::Start;
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::sys::message::{self, Piece, Received};
use crate::tls::session::Session;
use crate::wait::Deadline;

impl Socket {
    /// sendmsg(2)
    ///
    /// # Errors
    /// Those of a send; EOPNOTSUPP for ancillary data on a wrapped socket.
    #[inline]
    pub fn sendmsg(
        &self,
        pieces: &[Piece],
        control: &[u8],
        to: Option<&Addr>,
        flags: i32,
    ) -> Result<usize> {
        let all = flags | libc::MSG_NOSIGNAL;
        self.plainly(|| message::send(self.as_fd(), pieces, control, to, all))
            .or_else(|start| self.sendmsg_step(start, pieces, control, to, flags))
    }

    #[inline(never)]
    fn sendmsg_step(
        &self,
        start: Start,
        pieces: &[Piece],
        control: &[u8],
        to: Option<&Addr>,
        flags: i32,
    ) -> Result<usize> {
        let mut deadline = self.deadline();
        let failed = self.begin(start, false)?;
        if let Some(tls) = self.session() {
            return match (control.is_empty(), to) {
                _ if pieces.len() > libc::UIO_MAXIOV as usize => Err(Error::os(libc::EMSGSIZE)),
                (false, _) => Err(Error::os(libc::EOPNOTSUPP)),
                (true, Some(_)) => Err(Error::os(libc::EISCONN)),
                (true, None) => tls.send_pieces(self, pieces, flags, &mut deadline),
            };
        }
        self.carries_data()?;
        let flags = self.flags(flags, true, deadline.is_never());
        self.attempt(failed, libc::POLLOUT, flags, &mut deadline, || {
            message::send(self.as_fd(), pieces, control, to, flags.all)
        })
    }

    /// recvmsg(2); received descriptors are close-on-exec.
    #[inline]
    pub fn recvmsg(
        &self,
        pieces: &[Piece],
        control: &mut [MaybeUninit<u8>],
        mut from: Option<&mut MaybeUninit<Addr>>,
        flags: i32,
    ) -> Result<Received> {
        let flags = flags | libc::MSG_CMSG_CLOEXEC;
        self.plainly_unless_truncated(flags, || {
            message::recv(self.as_fd(), pieces, control, from.as_deref_mut(), flags)
        })
        .or_else(|start| self.recvmsg_step(start, pieces, control, from, flags))
    }

    #[inline(never)]
    fn recvmsg_step(
        &self,
        start: Start,
        pieces: &[Piece],
        control: &mut [MaybeUninit<u8>],
        mut from: Option<&mut MaybeUninit<Addr>>,
        flags: i32,
    ) -> Result<Received> {
        let mut deadline = self.deadline();
        let failed = self.begin(start, true)?;
        if let Some(tls) = self.session() {
            let len = self.scatter(tls, pieces, flags, &mut deadline)?;
            from.map(|from| from.write(Addr::default()));
            return Ok(Received { len, ..Received::default() });
        }
        self.carries_data()?;
        let flags = self.flags(flags, false, deadline.is_never());
        pieces.iter().for_each(|piece| self.zero_discarded(flags, piece.room()));
        let mut got = self.attempt(failed, libc::POLLIN, flags, &mut deadline, || {
            message::recv(self.as_fd(), pieces, control, from.as_deref_mut(), flags.all)
        })?;
        match message::total(pieces) {
            Some(room) if room > 0 => got.len = got.len.min(room),
            _ => {}
        }
        Ok(got)
    }

    /// Fills the pieces from TLS: the first as recv does, the others with data already available.
    /// (A peek starts at the beginning each time, so it fills only the first.)
    fn scatter(
        &self,
        tls: &Session,
        pieces: &[Piece],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        if pieces.len() > libc::UIO_MAXIOV as usize {
            return Err(Error::os(libc::EMSGSIZE));
        }
        let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
        let Some(first) = pieces.next() else { return tls.recv(self, &mut [], flags, deadline) };
        let mut len = tls.recv(self, first.room(), flags, deadline)?;
        let mut full = len == first.len() && flags & libc::MSG_PEEK == 0;
        for piece in pieces {
            if !full || tls.pending(self) == 0 {
                break;
            }
            // The next call finds the end or the error.
            let Ok(n) = tls.recv(self, piece.room(), flags | libc::MSG_DONTWAIT, deadline) else {
                break;
            };
            len += n;
            full = n == piece.len();
        }
        Ok(len)
    }
}
