//! Keys and signatures at the command line.

mod tool;

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::signing::{PrivateKey, PublicKey, SigningError};
use testkit::{Rng, graphs};
use tool::{Place, fails, ok, run};

/// What `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` wrote.
const OPENSSL: [&str; 2] = [
    "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIP00cFe/2Z7HjqHXiAF8C0TPPIbyWP2vxy8cvukIarCg
-----END PRIVATE KEY-----
",
    "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAdsVnqHMFOjwJXaIiLwgcIuDo6/pWC0qCPuO5EToTGRY=
-----END PUBLIC KEY-----
",
];

/// A blob of this version, with self-test rows.
fn blob(place: &Place, version: u32) -> String {
    let mut graph = graphs::small(&mut Rng::new(3));
    graph.version = version;
    let mut conversion = Conversion::new(Precision::F32);
    conversion.self_test = Some(2);
    let name = format!("m{version}.mmoe");
    place.write(&name, graphs::blob(&graph, conversion).as_slice())
}

#[test]
fn keys_are_those_of_openssl() {
    let key = PrivateKey::from_pem(OPENSSL[0]).unwrap();
    assert_eq!(key.to_pem().unwrap().as_ref(), OPENSSL[0]);
    assert_eq!(key.public().to_pem().unwrap(), OPENSSL[1]);
    assert_eq!(PublicKey::from_pem(OPENSSL[1]).unwrap(), key.public());
    assert_eq!(
        PrivateKey::from_pem(OPENSSL[1]).unwrap_err(),
        SigningError::PrivateKey
    );
    assert_eq!(
        PublicKey::from_pem(OPENSSL[0]).unwrap_err(),
        SigningError::PublicKey
    );
}

#[test]
fn a_new_key_is_its_owners_alone_and_never_shown() {
    let place = Place::new();
    let (key, public) = (place.at("product.key"), place.at("product.pub"));
    let said = ok(&format!("keygen -o {key}"));
    let secret = std::fs::read_to_string(&key).unwrap();
    let body = secret.lines().nth(1).unwrap();
    assert!(!said.contains(&body[20..]), "{said}");
    assert!(said.contains("const KEY: [u8; 32]"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&key) & 0o777, 0o600);
        assert_eq!(mode(&public) & 0o600, 0o600);
    }
    // No key is written over, neither of them.
    fails(&format!("keygen -o {key}"), 2, &["never written over"]);
    let other = place.at("other.key");
    fails(
        &format!("keygen -o {other} --public {public}"),
        2,
        &["never written over"],
    );
    assert!(!std::path::Path::new(&other).exists());
    fails(
        &format!("keygen -o {other} --public {other}"),
        2,
        &["both keys"],
    );
    assert_eq!(std::fs::read_to_string(&key).unwrap(), secret);
}

#[test]
fn a_signed_blob_verifies_and_is_a_blob_still() {
    let place = Place::new();
    let (key, public) = (place.at("product.key"), place.at("product.pub"));
    ok(&format!("keygen -o {key}"));
    let (model, signed) = (blob(&place, 3), place.at("signed.mmoe"));
    let said = ok(&format!("sign {model} --key {key} -o {signed}"));
    assert!(said.contains("version 3, signed with key "), "{said}");
    let said = ok(&format!("verify {signed} --key {public}"));
    assert!(said.contains("signed with key ") && said.contains("self-test passed"));
    assert!(!ok(&format!("inspect {signed}")).is_empty());
    // Signed once more: the trailer is replaced.
    let again = place.at("again.mmoe");
    ok(&format!("sign {signed} --key {key} -o {again}"));
    assert!(std::fs::read(&again).unwrap() == std::fs::read(&signed).unwrap());

    // What does not verify fails the check.
    let verify = |file: &str| format!("verify {file} --key {public}");
    fails(&verify(&model), 1, &["not signed"]);
    let bytes = std::fs::read(&signed).unwrap();
    let damage = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        place.write("damaged.mmoe", bytes)
    };
    fails(&verify(&damage(bytes.len() - 1)), 1, &["does not hold"]);
    fails(&verify(&damage(bytes.len() - 70)), 1, &["another key"]);
    fails(&verify(&damage(bytes.len() - 76)), 1, &["version 0"]);
    fails(&verify(&damage(bytes.len() - 80)), 1, &["80 bytes behind"]);
    fails(&verify(&damage(100)), 2, &["damaged"]);
    let other = place.write("other.pub", OPENSSL[1]);
    fails(
        &format!("verify {signed} --key {other}"),
        1,
        &["another key"],
    );
    // Nothing that was read is written over, and a key is a key.
    fails(
        &format!("sign {model} --key {key} -o {key}"),
        2,
        &["take the place of the key"],
    );
    fails(
        &format!("sign {model} --key {key} -o {model}"),
        2,
        &["take the place of the blob"],
    );
    fails(
        &format!("sign {model} --key {public} -o {again}"),
        2,
        &["no private key"],
    );
    fails(
        &format!("verify {signed} --key {key}"),
        2,
        &["no public key"],
    );
    fails(
        &format!("sign {model} --key /dev/zero -o {again}"),
        2,
        &["no private key"],
    );
    let unversioned = blob(&place, 0);
    fails(
        &format!("sign {unversioned} --key {key} -o {again}"),
        2,
        &["version 0"],
    );
    let padded = place.write(
        "padded.mmoe",
        [&std::fs::read(&model).unwrap()[..], b"pad"].concat(),
    );
    fails(
        &format!("sign {padded} --key {key} -o {again}"),
        2,
        &["3 bytes behind"],
    );
    // A model that no device could test is signed, and it is said.
    let mut graph = graphs::small(&mut Rng::new(3));
    graph.version = 4;
    let untested = graphs::blob(&graph, Conversion::new(Precision::F32));
    let untested = place.write("untested.mmoe", untested.as_slice());
    let done = run(&format!("sign {untested} --key {key} -o {again}"));
    assert_eq!(done.code, 0);
    assert!(done.err.contains("no self-test rows"), "{}", done.err);
}
