//! The material of TLS: certificates, keys, trust stores, cryptography.

pub mod algorithm;
pub mod der;
pub mod facts;
pub mod keylog;
pub mod ocsp;
pub mod pem;
pub mod provider;
pub mod roots;
pub mod x509;
