//! The parameters negotiated in the handshake.

use std::mem::MaybeUninit;

use super::support::*;
use crate::tls::context::Context;

#[test]
fn what_was_agreed() {
    let (client, server) = contexts();
    client.set_alpn(Some(c"h2,http/1.1")).unwrap();
    server.set_alpn(Some(c"http/1.1")).unwrap();
    server.set_ciphers(Some(c"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256")).unwrap();
    assert_eq!(server.ciphers(), "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256");
    server.set_groups(Some(c"x25519")).unwrap();
    let (a, b) = connected(&client, &server);
    let (sa, sb) = (a.tls().unwrap(), b.tls().unwrap());
    for s in [sa, sb] {
        assert_eq!(s.info(|i| i.alpn()), "http/1.1");
        assert_eq!(s.info(|i| i.group()), "X25519");
        assert!(s.info(|i| i.cipher()).starts_with("TLS_"));
        assert_eq!(s.info(|i| i.resumed()), 0);
    }
    assert_eq!(sb.server_name(), NAME);
    assert_eq!((sa.verified().unwrap(), sb.verified().unwrap()), (1, 0));
    assert!(sa.peer_cert(0).unwrap().len() > 100);
    assert_eq!(sa.peer_cert(1).unwrap_err().code(), -libc::ENODATA);
    assert_eq!(sb.peer_cert(0).unwrap_err().code(), -libc::ENODATA);
    assert_eq!(sa.alert().unwrap_err().code(), -libc::ENODATA);
    assert_eq!(sa.channel_binding().unwrap(), sb.channel_binding().unwrap());
    let export = |s: &crate::tls::session::Session, label: &[u8], context: &[u8]| {
        let mut out = [MaybeUninit::new(0u8); 40];
        // SAFETY: every byte was initialised when the buffer was made.
        s.export(label, context, &mut out).map(|()| out.map(|b| unsafe { b.assume_init() }))
    };
    assert_eq!(export(sa, b"EXPERIMENT", b"c").unwrap(), export(sb, b"EXPERIMENT", b"c").unwrap());
    assert_ne!(export(sa, b"EXPERIMENT", b"c").unwrap(), export(sa, b"EXPERIMENT", b"").unwrap());
}

/// A server may go on without a protocol where its client offers only others, also after a retry for
/// another group.
#[test]
fn no_protocol_in_common_may_be_no_error() {
    for &version in VERSIONS {
        // Also where the ClientHello comes in several records.
        for (groups, retry, record) in [
            (c"X25519:secp256r1", false, 0),
            (c"secp256r1", true, 0),
            (c"X25519:secp256r1", false, 64),
            (c"secp256r1", true, 64),
        ] {
            let (client, server) = contexts();
            client.set_max_record(record).unwrap();
            client.set_versions(version, version).unwrap();
            client.set_groups(Some(c"X25519:secp256r1")).unwrap();
            server.set_groups(Some(groups)).unwrap();
            server.set_alpn(Some(c"h2,http/1.1")).unwrap();
            assert_eq!(server.set_alpn_required(2).unwrap_err().code(), -libc::EINVAL);
            let agreed = |offered: Option<&std::ffi::CStr>| {
                client.set_alpn(offered).unwrap();
                let (a, b) = connected(&client, &server);
                a.tls().unwrap().info(|i| i.alpn()) + &b.tls().unwrap().info(|i| i.alpn())
            };
            assert_eq!(agreed(Some(c"http/1.1")), "http/1.1http/1.1");
            assert_eq!(agreed(None), "");
            server.set_alpn_required(0).unwrap();
            assert_eq!(agreed(Some(c"mqtt,x")), "", "{version:x} {retry}");
            assert_eq!(agreed(Some(c"mqtt,h2")), "h2h2");
            assert_eq!(agreed(None), "");
            server.set_alpn_required(1).unwrap();
            client.set_alpn(Some(c"mqtt")).unwrap();
            let got = super::failures::outcome(&client, &server, Some(NAME));
            assert_eq!(got[1].0, crate::error::causes::USOCKET_ETLS_NO_COMMON_ALPN);
        }
    }
}

#[test]
fn keys_of_every_kind() {
    let ca = Ca::new("CA");
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        // With ring rcgen makes no such keys.
        #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
        &rcgen::PKCS_RSA_SHA256,
    ] {
        for &version in VERSIONS {
            if cfg!(feature = "graviola") && version == 0x303 && algorithm == &rcgen::PKCS_ED25519 {
                continue; // It does not offer that.
            }
            let made = ca.issue_with(params(&[NAME], NAME), key_of(algorithm));
            let client = client();
            client.trust(ca.pem().as_bytes()).unwrap();
            client.set_versions(version, version).unwrap();
            client.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
            let server = server(&made);
            server.trust(ca.pem().as_bytes()).unwrap();
            server.set_verify(2).unwrap();
            let (a, b) = connected(&client, &server);
            assert_eq!(a.tls().unwrap().peer_cert(0).unwrap(), made.der);
            assert_eq!(b.tls().unwrap().peer_cert(0).unwrap(), made.der);
            assert_eq!(b.tls().unwrap().verified().unwrap(), 1);
        }
    }
}

#[test]
fn a_server_chooses_by_name() {
    let ca = Ca::new("CA");
    let server = Context::new(2).unwrap();
    let names = [NAME, "two.example", "*.wild.example"];
    let made = names.map(|n| ca.issue(params(&[n], n)));
    for m in &made {
        server.use_cert(m.cert.as_bytes(), m.key.as_bytes()).unwrap();
    }
    let client = client();
    client.trust(ca.pem().as_bytes()).unwrap();
    for (name, expected) in
        [(NAME, 0), ("two.example", 1), ("TWO.example", 1), ("a.wild.example", 2)]
    {
        let (a, b) = pair();
        let (sa, sb) = (wrap(&a, &client, Some(name)), wrap(&b, &server, None));
        let (ra, rb) = shake((&a, sa), (&b, sb));
        assert!(ra.is_ok() && rb.is_ok(), "{name} {}", sa.detail());
        assert!(sa.peer_cert(0).unwrap() == made[expected].der, "{name}");
        assert_eq!(sb.server_name(), name.to_ascii_lowercase());
    }
}

#[test]
fn a_callback_chooses_among_the_certificates_of_another_context() {
    use crate::error::causes::*;
    use crate::tls::context::certs::{ByName, Chosen};
    use std::sync::Arc;
    for &version in VERSIONS {
        let ca = Ca::new("CA");
        let made = [NAME, "two.example"].map(|n| ca.issue(params(&[n], n)));
        let (own, other) = (server(&made[0]), Arc::new(server(&made[1])));
        own.set_versions(version, version).unwrap();
        let asked = other.clone();
        let by_name = move |name: &str| match name {
            "two.example" => Chosen::Those(asked.certs().unwrap()),
            NAME => Chosen::Own,
            _ => Chosen::Nothing("not here"),
        };
        own.set_by_name(Some(ByName(Arc::new(by_name)))).unwrap();
        let client = super::trust::trusting(&[&ca.pem()]);
        let shown = |name: &str| {
            let (a, b) = pair();
            let (sa, sb) = (wrap(&a, &client, Some(name)), wrap(&b, &own, None));
            let (ra, rb) = shake((&a, sa), (&b, sb));
            let code = |r: crate::error::Result<()>| r.map_or_else(|e| e.code(), |()| 0);
            (code(ra), code(rb), sa.peer_cert(0).unwrap_or_default(), sb.detail())
        };
        let (der, nothing) = (|n: usize| made[n].der.clone(), String::new());
        assert_eq!(shown(NAME), (0, 0, der(0), nothing.clone()));
        assert_eq!(shown("two.example"), (0, 0, der(1), nothing));
        let words = "no certificate for a client that asks for \"three.example\": not here";
        let refused = (USOCKET_ETLS_ALERT - 112, USOCKET_ETLS_NAME_REFUSED, vec![], words.into());
        assert_eq!(shown("three.example"), refused);
        // The other's certificate is renewed while both are in use.
        let new = ca.issue(params(&["two.example"], "two.example"));
        other.use_cert(new.cert.as_bytes(), new.key.as_bytes()).unwrap();
        client.set_resumption(0, 0).unwrap();
        assert_eq!(shown("two.example").2, new.der);
    }
}

#[test]
fn sessions_are_resumed() {
    for &version in VERSIONS {
        let ca = Ca::new("CA");
        let made = ca.server();
        let client = client();
        client.trust(ca.pem().as_bytes()).unwrap();
        client.set_versions(version, version).unwrap();
        let server = server(&made);
        let again = || {
            let (a, b) = connected(&client, &server);
            let resumed = a.tls().unwrap().info(|i| i.resumed());
            assert_eq!(resumed, b.tls().unwrap().info(|i| i.resumed()));
            assert_eq!(a.tls().unwrap().verified().unwrap(), 1);
            (a, b, resumed)
        };
        let (a, _b, resumed) = again();
        assert_eq!(resumed, 0);
        assert_eq!(again().2, 1);
        // Taken out, the context has no other; given back, it is used.
        let tickets: Vec<_> = std::iter::from_fn(|| a.tls().unwrap().take_ticket().ok()).collect();
        assert!(!tickets.is_empty());
        let (x, y) = pair();
        let (sx, sy) = (wrap(&x, &client, Some(NAME)), wrap(&y, &server, None));
        sx.resume(&tickets[0]).unwrap();
        assert_eq!(sx.resume(&tickets[0]).unwrap_err().code(), -libc::ENODATA);
        assert_eq!(sy.take_ticket().err().map(|e| e.code()), Some(-libc::EOPNOTSUPP));
        let (rx, ry) = shake((&x, sx), (&y, sy));
        assert!(rx.is_ok() && ry.is_ok());
        assert_eq!(sx.info(|i| i.resumed()), 1);
        assert_eq!(sx.resume(&tickets[0]).unwrap_err().code(), -libc::EISCONN);
        let (other, _) = contexts();
        let (z, _z) = pair();
        let sz = wrap(&z, &other, Some(NAME));
        assert_eq!(sz.resume(&tickets[0]).unwrap_err().code(), -libc::EINVAL);
    }
    // Off on either side, nothing is.
    for off in [true, false] {
        let (client, server) = contexts();
        if off { client.set_resumption(0, 0) } else { server.set_resumption(0, 0) }.unwrap();
        drop(connected(&client, &server));
        assert_eq!(connected(&client, &server).0.tls().unwrap().info(|i| i.resumed()), 0);
    }
}
