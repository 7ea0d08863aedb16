//! What TLS needs: authorities, our certificate if the receiver wants one, and the name that is expected.
//! There is no way to switch the check off.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::TlsFiles;

/// Ready to make connections.
#[derive(Clone, Debug)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    pub(super) fn new(files: &TlsFiles, host: &str) -> Result<Self, String> {
        let name = files.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            format!("{name} is no name that a certificate can have; give server_name")
        })?;
        let mut roots = RootCertStore::empty();
        for certificate in authorities(files)? {
            roots
                .add(certificate)
                .map_err(|e| format!("ca_file: a certificate cannot be used: {e}"))?;
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
        let config = match own(files)? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| format!("cert_file and key_file do not go together: {e}"))?,
        };
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    pub(super) fn connect(&self) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

/// ring: it builds with a C compiler alone.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Those of `ca_file`, or the system's.
pub(super) fn authorities(files: &TlsFiles) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = match &files.ca {
        Some(path) => certificates("ca_file", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    match found.is_empty() {
        false => Ok(found),
        true => Err(
            "this system has no certificates of authorities; install ca-certificates or give ca_file".to_owned(),
        ),
    }
}

/// Our certificate with its chain, and its key.
pub(super) type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(super) fn own(files: &TlsFiles) -> Result<Option<Own>, String> {
    match (&files.cert, &files.key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => {
            let chain = certificates("cert_file", cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| {
                format!(
                    "key_file {}: {e}; it takes a private key as PEM",
                    key.display()
                )
            })?;
            Ok(Some((chain, key)))
        }
        _ => Err("cert_file and key_file go together; give both or none".to_owned()),
    }
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: String| {
        format!(
            "{key} {}: {e}; it takes certificates as PEM",
            path.display()
        )
    };
    let all = CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    let all: Vec<_> = all
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(e.to_string()))?;
    match all.is_empty() {
        true => Err(wrong("no certificate in it".to_owned())),
        false => Ok(all),
    }
}
