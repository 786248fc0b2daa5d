//! What a session does once it stands.

use super::support::*;

#[test]
fn data_goes_both_ways_in_both_versions() {
    for version in [0x303, 0x304] {
        let (client, server) = contexts();
        client.set_versions(version, version).unwrap();
        let (a, b) = connected(&client, &server);
        assert_eq!(a.tls().unwrap().info(|i| i.version()), version);
        a.send(b"hello", 0).unwrap();
        assert_eq!(recv(&b, 100).unwrap(), b"hello");
        b.sendall(b"a line\nand more", 0).unwrap();
        assert_eq!(readline(&a, 100).unwrap(), b"a line\n");
        assert_eq!(read(&a, 8).unwrap(), b"and more");
        a.shutdown(libc::SHUT_WR).unwrap();
        assert_eq!(recv(&b, 1).unwrap(), b"");
        b.send(b"still", 0).unwrap();
        assert_eq!(recv(&a, 100).unwrap(), b"still");
    }
}
