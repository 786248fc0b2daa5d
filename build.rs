//! Gives the shared library its soname and flags, and the library the versions it is built from.
//! Nothing is generated here: `make header` does that.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libusocket.so.0");
    // Its threads and its fork handler must not outlive its code.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-env=USOCKET_FEATURES={}", features());
}

/// The words of `usocket_features`.
fn features() -> String {
    let on = |feature: &str| std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = |name: &str| {
        let package =
            lock.split("[[package]]").find(|p| p.contains(&format!("name = \"{name}\"\n")));
        let line = package.and_then(|p| p.lines().find(|l| l.starts_with("version")));
        line.and_then(|l| l.split('"').nth(1)).unwrap_or("unknown").to_owned()
    };
    let providers = [("AWS_LC_RS", "aws-lc-rs"), ("RING", "ring"), ("GRAVIOLA", "graviola")];
    let mut words = vec!["poller=epoll".to_owned()];
    match providers.iter().find(|(feature, _)| on(feature)) {
        None => words.push("tls=none".into()),
        Some((_, name)) => {
            words.push(format!("tls={name}"));
            words.push(format!("{name}={}", version(name)));
            words.push(format!("rustls={}", version("rustls")));
            words
                .push(if on("TLS12") { "tls-versions=1.2,1.3" } else { "tls-versions=1.3" }.into());
            if on("WEBPKI_ROOTS") {
                words.push(format!("webpki-roots={}", version("webpki-roots")));
            }
        }
    }
    words.join(" ")
}
