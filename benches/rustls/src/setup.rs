//! Contexts as tls.h asks for them; processes and processors.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

pub struct Configs {
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
}

impl Configs {
    pub fn new(resume: bool) -> Configs {
        let dir = std::env::var("BENCH_CERTS").unwrap_or_else(|_| ".".into());
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ];
        if std::env::var("BENCH_GROUPS").is_ok() {
            provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        }
        let provider = Arc::new(provider);
        let versions: &[_] =
            if std::env::var("BENCH_TLS12").is_ok() { &[&version::TLS12] } else { &[&version::TLS13] };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(format!("{dir}/ca.pem")).unwrap()).unwrap();
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let chain = vec![CertificateDer::from_pem_file(format!("{dir}/server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(format!("{dir}/server.key")).unwrap();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        server.send_tls13_tickets = usize::from(resume);
        if resume {
            server.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        } else {
            client.resumption = Resumption::disabled();
            server.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Configs { client: Arc::new(client), server: Arc::new(server) }
    }
}

/// Keeps the calling process on one processor.
pub fn pin_to(core: usize) {
    // SAFETY: a plain bit set of the size given.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
    }
}

/// The other end, in a process of its own that does not outlive this one. True in the child.
pub fn in_child(core: usize) -> bool {
    // SAFETY: the process has one thread so far.
    unsafe {
        match libc::fork() {
            -1 => panic!("fork"),
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                pin_to(core);
                true
            }
            _ => false,
        }
    }
}
