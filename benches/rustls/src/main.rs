//! tls.c over bare rustls: the same commands, the same two processes, the same protocol on stdin.
//!
//!     bench-rustls bulk|pingpong SIZE CORES      bench-rustls full|resumed CORES
//!     bench-rustls http PORT                     bench-rustls load plain|tls PORT CONNECTIONS BYTES
//!
//! The last two are a server of many connections, and the clients of such a server, whatever it is.
//!
//! It is rustls at its best here: the unbuffered connections with about 33 KiB of buffer for each
//! direction, kept for the life of the connection.

mod conn;
mod epoll;
mod http;
mod load;
mod peer;
mod setup;

use std::io::{BufRead, PipeReader, PipeWriter, Read, Write, stdin};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Instant;

use conn::Conn;
use setup::{Configs, in_child, pin_to};

/// Answers commands until the input ends, as bench.h does.
fn serve(mut run: impl FnMut(u64)) {
    println!("ready");
    for line in stdin().lock().lines() {
        let n = line.unwrap().trim().parse().unwrap();
        let start = Instant::now();
        run(n);
        println!("{}", start.elapsed().as_nanos());
    }
}

/// One connection for good, over TCP.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let b = listener.accept().unwrap().0;
    a.set_nodelay(true).unwrap();
    b.set_nodelay(true).unwrap();
    (a, b)
}

fn bulk(configs: &Configs, size: usize, core: usize) {
    let mut buffer = vec![0; size];
    let (near, far) = pair();
    let (mut control_out, mut control_in): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
    let (mut done_out, mut done_in) = std::io::pipe().unwrap();
    if in_child(core) {
        let mut t = Conn::server(far, configs);
        let mut total = [0; 8];
        while control_out.read_exact(&mut total).is_ok() {
            let mut left = u64::from_ne_bytes(total);
            while left > 0 {
                left -= t.recv(&mut buffer) as u64;
            }
            done_in.write_all(b"x").unwrap();
        }
        return;
    }
    let mut t = Conn::client(near, configs);
    serve(|n| {
        control_in.write_all(&(n * size as u64).to_ne_bytes()).unwrap();
        (0..n).for_each(|_| t.send(&buffer));
        done_out.read_exact(&mut [0]).unwrap();
    });
}

fn pingpong(configs: &Configs, size: usize, core: usize) {
    let mut buffer = vec![0; size];
    let (near, far) = pair();
    if in_child(core) {
        let mut t = Conn::server(far, configs);
        loop {
            t.recv_exact(&mut buffer);
            t.send(&buffer);
        }
    }
    let mut t = Conn::client(near, configs);
    serve(|n| {
        for _ in 0..n {
            t.send(&buffer);
            t.recv_exact(&mut buffer);
        }
    });
}

fn handshakes(configs: &Configs, resume: bool, core: usize) {
    let name = format!("bench-rustls-{}", std::process::id());
    let name = SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&name).unwrap();
    if in_child(core) {
        loop {
            let mut t = Conn::server(listener.accept().unwrap().0, configs);
            t.send(b"x");
            while t.recv(&mut [0]) > 0 {}
            t.close();
        }
    }
    let mut first = true;
    serve(|n| {
        for _ in 0..n {
            let mut t = Conn::client(UnixStream::connect_addr(&name).unwrap(), configs);
            t.recv_exact(&mut [0]);
            assert!(first || t.resumed() == resume);
            first = false;
            t.close();
        }
    });
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |n: usize| args[n].parse::<usize>().unwrap();
    let many = args[1] == "http" || args[1] == "load";
    let resume = match many {
        true => std::env::var("BENCH_RESUME").is_ok(),
        false => args[1] == "resumed",
    };
    let configs = Configs::new(resume);
    if !many {
        pin_to(0);
    }
    match args[1].as_str() {
        "bulk" => bulk(&configs, number(2), number(3) - 1),
        "http" => http::serve(number(2) as u16, &configs),
        "load" => load::load(&args[2..], &configs, std::env::var("BENCH_KIND").ok().map(|_| resume)),
        "pingpong" => pingpong(&configs, number(2), number(3) - 1),
        what => handshakes(&configs, what == "resumed", number(2) - 1),
    }
}
