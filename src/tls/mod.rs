//! What all who speak TLS have in common: whom they trust, and how they tell what went wrong.

pub(crate) use rustls::ClientConfig;
pub(crate) use rustls::pki_types::ServerName;

use crate::files;
use crate::types::{Printable, SetupError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;

/// Octets that a file of certificates may have.
const MOST: u64 = 16 * 1024 * 1024;

/// Chooses who computes, before TLS is spoken. Another module of the same process may have chosen before; any will do.
pub(crate) fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that believes the system's certificates and those of `ca_file`.
///
/// # Errors
///
/// A sentence that names the option and the file; also if neither has any certificate.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = ca_file.map(load_certificates).transpose()?.unwrap_or_default();
    let refused = |why: &dyn std::fmt::Display| {
        SetupError::System(format!("TLS: {why}; \"ca_file\" names certificates where the system has none"))
    };
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, Arc::clone(&provider))
        .map_err(|why| refused(&why))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| refused(&why))?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// The certificates of a `ca_file` (PEM), each fit to be trusted.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub(crate) fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let bad = |why: &dyn std::fmt::Display| SetupError::option("ca_file", path.display(), why);
    let pem = files::read(path, MOST).map_err(|why| bad(&why))?;
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(&pem) {
        let der = der.map_err(|why| bad(&why))?;
        rustls::RootCertStore::empty().add(der.clone()).map_err(|why| bad(&why))?;
        found.push(der);
    }
    if found.is_empty() { Err(bad(&"no certificate (PEM) in it")) } else { Ok(found) }
}

/// The first certificate of a `certificate_file` (PEM), which has to be that of the private key in `pem`; as DER.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub(crate) fn certificate_of(path: &Path, pem: &[u8]) -> Result<CertificateDer<'static>, SetupError> {
    let bad = |why: &dyn std::fmt::Display| SetupError::option("certificate_file", path.display(), why);
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|why| bad(&why))?;
    let file = files::read(path, MOST).map_err(|why| bad(&why))?;
    let certificate = CertificateDer::from_pem_slice(&file).map_err(|why| bad(&why))?;
    let provider = rustls::crypto::ring::default_provider();
    // One that cannot be looked into, such as one of version 1, may be right.
    match CertifiedKey::from_der(vec![certificate.clone()], key, &provider) {
        Err(rustls::Error::InconsistentKeys(_)) => Err(bad(&"not the certificate of \"private_key_file\"")),
        _ => Ok(certificate),
    }
}

/// An error and all that led to it.
pub(crate) fn error_chain<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn std::error::Error + 'static)| error.source())
}

/// Whether TLS is what went wrong. I/O errors hide what they carry from `source`, and may carry one another.
pub(crate) fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    error_chain(error).any(|cause| {
        let carried = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause.is::<rustls::Error>() || carried.is_some_and(|carried| is_tls(carried))
    })
}

/// An error with what caused it, in one line: neither query nor body, and what the peer had printed into it made fit for a log.
pub(crate) fn error_line(error: &(dyn std::error::Error + 'static)) -> Printable {
    let mut texts: Vec<String> = Vec::new();
    for cause in error_chain(error) {
        let text = cause.to_string();
        if !texts.iter().any(|told| told.contains(&text)) {
            texts.push(text);
        }
    }
    Printable::new(texts.join(": "))
}
