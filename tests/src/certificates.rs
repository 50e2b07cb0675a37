//! Certificates for one test: an authority that is unknown elsewhere, and the certificates that it signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// The two files of a certificate.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Writes its own certificate into this folder, under this name.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, &self.pem).expect("a file");
        file
    }

    /// Writes a certificate for these names into a folder, as `NAME.pem` and `NAME.key`.
    pub fn certify(&self, folder: &Path, name: &str, names: &[&str]) -> Certified {
        self.certify_with(folder, name, names, |_| {})
    }

    /// Like [`Authority::certify`], with a certificate that has expired long ago.
    pub fn certify_expired(&self, folder: &Path, name: &str, names: &[&str]) -> Certified {
        self.certify_with(folder, name, names, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        })
    }

    /// Like [`Authority::certify`], as public authorities do it: for 90 days from now, and with the identifier of the
    /// authority's key.
    pub fn certify_as_public(&self, folder: &Path, name: &str, names: &[&str]) -> Certified {
        self.certify_with(folder, name, names, |params| {
            let now = SystemTime::now();
            params.not_before = (now - Duration::from_hours(1)).into();
            params.not_after = (now + Duration::from_hours(90 * 24)).into();
            params.use_authority_key_identifier_extension = true;
        })
    }

    /// Like [`Authority::certify`], with so many names that the certificate has about `bytes` bytes.
    pub fn certify_giant(&self, folder: &Path, name: &str, bytes: usize) -> Certified {
        let names: Vec<String> =
            (0..bytes / 64).map(|number| format!("{number:0>52}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.certify(folder, name, &names)
    }

    fn certify_with(
        &self,
        folder: &Path,
        name: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certified {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let certified = Certified {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&certified.certificate, signed.pem()).expect("a file");
        fs::write(&certified.key, key.serialize_pem()).expect("a file");
        certified
    }
}
