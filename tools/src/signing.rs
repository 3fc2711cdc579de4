//! Keys, and the signatures behind blobs that devices install by `mmoe-store`.
//!
//! Keys are files as `openssl genpkey -algorithm ed25519` writes them: PKCS #8 for a private key,
//! SubjectPublicKeyInfo for a public one, both in PEM. So they can be made, kept and looked at with
//! what a company has for keys already. Private keys are wiped from memory after use.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use mmoe::blob::{Blob, LoadError};
use mmoe_store::trailer;
use thiserror::Error;

/// What is wrong with a key or a signature.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningError {
    /// The file is no private key.
    #[error("is no private key of Ed25519 in PEM (PKCS #8): make one with `mmoe keygen`")]
    PrivateKey,
    /// The file is no public key.
    #[error(
        "is no public key of Ed25519 in PEM: `mmoe keygen` writes one beside the private key, and \
         `openssl pkey -pubout` makes it of that"
    )]
    PublicKey,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The file is no blob.
    #[error(transparent)]
    Blob(#[from] LoadError),
    /// The blob has no version.
    #[error(
        "the model has version 0, and a device takes an update for what it is by a higher version: \
         give it one in the spec (`version = 1`) and convert it again"
    )]
    Version,
    /// There is something behind the blob that is no trailer.
    #[error("{0} bytes behind the blob are no signature of `mmoe sign`")]
    Behind(usize),
    /// There is nothing behind the blob.
    #[error("the blob is not signed: `mmoe sign` does that")]
    Unsigned,
    /// The trailer is of a version that this tool does not know.
    #[error(
        "the trailer has version {version} and algorithm {algorithm}, which this tool does not know"
    )]
    Trailer {
        /// The trailer's version.
        version: u16,
        /// The number of its algorithm.
        algorithm: u16,
    },
    /// The signature is by another key.
    #[error("signed with another key, whose public key begins with {}", hex(.0))]
    Key([u8; trailer::HINT]),
    /// The signature is not one of these bytes.
    #[error("the signature does not hold: these are not the bytes that were signed")]
    Signature,
}

/// Bytes in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A key that signs. Its bytes are wiped when it is dropped, and it shows nothing of them.
#[derive(Debug)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Makes a key of the system's random numbers.
    ///
    /// # Errors
    ///
    /// [`SigningError::Random`].
    pub fn generate() -> Result<Self, SigningError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| SigningError::Random(e.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`SigningError::PrivateKey`].
    pub fn from_pem(text: &str) -> Result<Self, SigningError> {
        SigningKey::from_pkcs8_pem(text)
            .map(Self)
            .map_err(|_| SigningError::PrivateKey)
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    ///
    /// [`SigningError::PrivateKey`], which does not happen for a key that is one.
    pub fn to_pem(&self) -> Result<impl AsRef<str> + use<>, SigningError> {
        // Without the public key beside it, which older readers refuse.
        let bytes = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        bytes
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| SigningError::PrivateKey)
    }

    /// Returns the key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Returns a blob with its trailer. What was behind the blob is replaced.
    ///
    /// ```
    /// use mmoe_tools::signing::{PrivateKey, SigningError};
    /// # let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/firmware/models/blobs/edge.i8.mmoe"))?;
    /// let key = PrivateKey::generate()?;
    /// assert_eq!(key.sign(&file), Err(SigningError::Version));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SigningError::Blob`], [`SigningError::Version`], and [`SigningError::Behind`] where something
    /// else than a trailer is behind the blob.
    pub fn sign(&self, file: &[u8]) -> Result<Vec<u8>, SigningError> {
        let (blob, behind) = split(file)?;
        if Blob::open(blob)?.id().version == 0 {
            return Err(SigningError::Version);
        }
        if !behind.is_empty() && !behind.starts_with(&trailer::MAGIC) {
            return Err(SigningError::Behind(behind.len()));
        }
        let head = trailer::head(&self.public().bytes());
        let mut signed = [blob, &head].concat();
        let signature = self.0.sign(&signed);
        signed.extend(signature.to_bytes());
        Ok(signed)
    }
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`SigningError::PublicKey`].
    pub fn from_pem(text: &str) -> Result<Self, SigningError> {
        VerifyingKey::from_public_key_pem(text)
            .map(Self)
            .map_err(|_| SigningError::PublicKey)
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    ///
    /// [`SigningError::PublicKey`], which does not happen for a key that is one.
    pub fn to_pem(&self) -> Result<String, SigningError> {
        self.0
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| SigningError::PublicKey)
    }

    /// Returns the 32 bytes that a device's policy has.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Verifies a signed blob, and returns its version.
    ///
    /// # Errors
    ///
    /// All of [`SigningError`] that a file can have.
    pub fn verify(&self, file: &[u8]) -> Result<u32, SigningError> {
        let (blob, behind) = split(file)?;
        let opened = Blob::open(blob)?;
        let wrong = SigningError::Behind(behind.len());
        let Some((head, signature)) = behind.split_first_chunk::<{ trailer::HEAD }>() else {
            return Err(if behind.is_empty() {
                SigningError::Unsigned
            } else {
                wrong
            });
        };
        let [m0, m1, m2, m3, v0, v1, a0, a1, hint @ ..] = *head;
        let Ok(signature) = Signature::from_slice(signature) else {
            return Err(wrong);
        };
        if [m0, m1, m2, m3] != trailer::MAGIC {
            return Err(wrong);
        }
        let (version, algorithm) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([a0, a1]));
        if version != trailer::VERSION || algorithm != trailer::ED25519 {
            return Err(SigningError::Trailer { version, algorithm });
        }
        if !self.bytes().starts_with(&hint) {
            return Err(SigningError::Key(hint));
        }
        self.0
            .verify_strict(&[blob, head].concat(), &signature)
            .map_err(|_| SigningError::Signature)?;
        Ok(opened.id().version)
    }
}

/// A file's blob and what is behind it.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), LoadError> {
    let total = Blob::open(file)?.total_len() as usize;
    // `open` has seen that so many bytes are there.
    Ok(file.split_at_checked(total).unwrap_or((file, &[])))
}
