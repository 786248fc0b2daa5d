//! Trusted certificates: the program's, the system's store, Mozilla's roots.
//!
//! The source makes no difference: a certificate that may issue others (marked as a CA, or of
//! version 1) is a trust anchor, and each is accepted as the peer's own.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use zeroize::Zeroizing;

use crate::error::causes::*;
use crate::sys::env;
use crate::sys::fork::Lock;
use crate::tls::Cause;
use crate::tls::material::pem;
use crate::tls::material::x509::Facts;

/// A set of trusted certificates.
#[derive(Clone, Default)]
pub struct Trusted {
    /// The certificates that may issue others.
    anchors: Vec<TrustAnchor<'static>>,
    /// The certificate of each anchor, if available.
    roots: Vec<Option<CertificateDer<'static>>>,
    /// The others.
    others: Vec<CertificateDer<'static>>,
}

impl Trusted {
    /// Adds one, unless it is there already.
    ///
    /// # Errors
    /// `USOCKET_ETLS_CERT_INVALID`.
    pub fn add(&mut self, cert: CertificateDer<'static>) -> Result<(), Cause> {
        let invalid = |words: String| Cause::new(USOCKET_ETLS_CERT_INVALID, words);
        let facts = Facts::of(&cert).ok_or_else(|| invalid("invalid certificate".into()))?;
        let anchor = webpki::anchor_from_trusted_cert(&cert)
            .map_err(|e| invalid(format!("invalid certificate: {e}")))?;
        if self.holds(&cert) {
            return Ok(());
        }
        if facts.may_issue() {
            self.anchors.push(anchor.to_owned());
            self.roots.push(Some(cert));
        } else {
            self.others.push(cert);
        }
        Ok(())
    }

    /// Adds all valid certificates, and returns their number. Unreadable ones among others are
    /// skipped: bundles contain such, and skipping them only reduces trust. If all are unreadable,
    /// it is an error.
    pub fn add_all(&mut self, certs: Vec<CertificateDer<'static>>) -> Result<i32, Cause> {
        let (mut n, mut odd) = (0, None);
        for cert in certs {
            match self.add(cert) {
                Ok(()) => n += 1,
                Err(e) => odd = Some(e),
            }
        }
        match odd {
            Some(e) if n == 0 => Err(e),
            _ => Ok(n),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty() && self.others.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.anchors.len() + self.others.len()
    }

    /// The trust anchors.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Whether this very certificate is among them.
    pub fn holds(&self, cert: &CertificateDer<'_>) -> bool {
        self.certs().any(|c| c == cert)
    }

    /// All complete certificates.
    pub fn certs(&self) -> impl Iterator<Item = &CertificateDer<'static>> + Clone {
        self.roots.iter().flatten().chain(&self.others)
    }

    /// The certificate of one of [`Trusted::anchors`].
    pub fn root_of(&self, anchor: &TrustAnchor<'_>) -> Option<&CertificateDer<'static>> {
        // Compared by address: another anchor may have the same name and key, and other dates.
        let at = self.anchors.iter().position(|a| std::ptr::eq(a, anchor))?;
        self.roots.get(at)?.as_ref()
    }
}

/// The maximum size of a file: a larger one, or a device, is a mistake.
const MOST: u64 = 16 << 20;

/// Reads a file. It may be a key, so the memory is wiped when dropped.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Cause> {
    let whole = || {
        let file = File::open(path)?;
        // Allocate for the whole file and the read at its end: a growing buffer would leave a copy
        // behind.
        let len = file.metadata()?.len().min(MOST);
        let mut bytes = Zeroizing::new(Vec::with_capacity(len as usize + 64));
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    whole().map_err(|e: std::io::Error| about(path, Cause::from(e)))
}

/// Adds the file's name to a cause.
fn about(path: &Path, mut cause: Cause) -> Cause {
    cause.words = format!("{}: {}", path.display(), cause.words);
    cause
}

/// The certificates in all files of a directory. A file without any is skipped; an unreadable or
/// damaged one is an error.
pub fn read_dir(path: &Path) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let mut found = Vec::new();
    for certs in files_of(path)? {
        found.extend(certs?);
    }
    Ok(found)
}

/// Each file of a directory of certificates.
fn files_of(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Vec<CertificateDer<'static>>, Cause>>, Cause> {
    // One file often has several names here: the links of `openssl rehash`.
    let mut seen = HashSet::new();
    let directory = path.to_owned();
    let entries = fs::read_dir(path).map_err(|e| about(path, e.into()))?;
    Ok(entries.filter_map(move |entry| {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(e) => return Some(Err(about(&directory, e.into()))),
        };
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            // A dangling link remains from a removed certificate.
            Err(e) if e.kind() == ErrorKind::NotFound => return None,
            Err(e) => return Some(Err(about(&path, e.into()))),
        };
        if !meta.is_file() || !seen.insert((meta.dev(), meta.ino())) {
            return None;
        }
        match read(&path).map(|bytes| pem::certificates(&bytes)) {
            Ok(Err(e)) if e.code == USOCKET_ETLS_PEM_EMPTY => None,
            Ok(certs) => Some(certs.map_err(|e| about(&path, e))),
            Err(e) => Some(Err(e)),
        }
    }))
}

/// Locations of the store as one file in distributions; the first existing one is used.
const FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs/ca-certificates.crt",
    "/data/data/com.termux/files/usr/etc/tls/cert.pem",
];
/// And in a directory.
const DIRECTORIES: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The system's store. Reading it costs milliseconds, once; an empty store is read again next time.
pub fn system() -> Result<Arc<Trusted>, Cause> {
    once(&SYSTEM, read_system)
}

static SYSTEM: Lock<Option<Arc<Trusted>>> = Lock::new(None);

/// Frees the system's store; the next use reads it again.
pub fn forget() {
    let kept = SYSTEM.lock().ok().and_then(|mut kept| kept.take());
    drop(kept);
}

/// Makes a value once per process. Two threads may both make it; the first result is kept.
fn once(
    place: &Lock<Option<Arc<Trusted>>>,
    make: impl FnOnce() -> Result<Trusted, Cause>,
) -> Result<Arc<Trusted>, Cause> {
    if let Ok(Some(made)) = place.lock().as_deref() {
        return Ok(made.clone());
    }
    let made = Arc::new(make()?);
    Ok(match place.lock() {
        Ok(mut place) => place.get_or_insert(made).clone(),
        Err(_) => made,
    })
}

fn read_system() -> Result<Trusted, Cause> {
    let (file, directories) = (env::var("SSL_CERT_FILE"), env::var("SSL_CERT_DIR"));
    if file.is_some() || directories.is_some() {
        return read_store(file, &directories.map_or_else(Vec::new, |d| split_paths(&d)));
    }
    let file = FILES.iter().find(|f| Path::new(f).exists()).map(OsString::from);
    let there: Vec<_> = DIRECTORIES.iter().filter(|d| Path::new(d).exists()).collect();
    read_store(file, &there.into_iter().map(OsString::from).collect::<Vec<_>>())
}

fn split_paths(list: &OsString) -> Vec<OsString> {
    std::env::split_paths(list).map(OsString::from).filter(|p| !p.is_empty()).collect()
}

/// Reads a store and skips unreadable parts: others maintain it, and it contains odd old roots. It
/// is an error if nothing is left, or if the process lacks the resources to read it, because a
/// partial result would be kept for good.
fn read_store(file: Option<OsString>, directories: &[OsString]) -> Result<Trusted, Cause> {
    let mut trusted = Trusted::default();
    let (mut why, mut lacking) = (None, None);
    let lacks = |e: &Cause| [libc::EMFILE, libc::ENFILE, libc::ENOMEM].contains(&-e.code);
    let mut take = |certs: Result<Vec<_>, Cause>| {
        if let Err(e) = certs.and_then(|certs| trusted.add_all(certs)) {
            (if lacks(&e) { &mut lacking } else { &mut why }).get_or_insert(e);
        }
    };
    if let Some(file) = &file {
        take(read(Path::new(file)).and_then(|bytes| pem::certificates(&bytes)));
    }
    for directory in directories {
        match files_of(Path::new(directory)) {
            Ok(files) => files.for_each(&mut take),
            Err(e) => take(Err(e)),
        }
    }
    if let Some(lacking) = lacking {
        return Err(lacking);
    }
    if trusted.is_empty() {
        let why = why.map(|e| format!(": {e}")).unwrap_or_default();
        let words = format!("no certificates in the system's trust store{why}");
        return Err(Cause::new(USOCKET_ETLS_NO_TRUST, words));
    }
    Ok(trusted)
}

/// Mozilla's roots, if they were built in.
pub fn mozilla() -> Result<Arc<Trusted>, Cause> {
    #[cfg(feature = "webpki-roots")]
    {
        static MOZILLA: Lock<Option<Arc<Trusted>>> = Lock::new(None);
        once(&MOZILLA, || {
            let anchors = webpki_roots::TLS_SERVER_ROOTS.to_vec();
            let roots = vec![None; anchors.len()];
            Ok(Trusted { anchors, roots, others: Vec::new() })
        })
    }
    #[cfg(not(feature = "webpki-roots"))]
    Err(crate::error::Error::os(libc::EOPNOTSUPP).into())
}
