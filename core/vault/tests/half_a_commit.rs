//! What openmls says of a commit whose path half the members can't open: the ground on which the rules of groups stand
//! ([ADR 0034](../../../docs/adr/0034-which-commits-of-a-group-stand.md)). Bare openmls, over its own store.
//!
//! The hostile member is made by its cryptography: it seals path secrets for some keys as garbage. Everything else about the commit
//! is right: signature, tree, transcript, confirmation tag.

use openmls::group::{MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessMessageError};
use openmls::group::{StageCommitError, StagedWelcome};
use openmls::prelude::tls_codec::{Deserialize as _, SecretVLBytes};
use openmls::prelude::{
    BasicCredential, Ciphersuite, CredentialWithKey, KeyPackage, LeafNodeIndex, LeafNodeParameters, MlsMessageBodyIn, MlsMessageIn,
    MlsMessageOut, ProcessedMessageContent, ProtocolMessage,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::{
    AeadType, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig, HpkeKeyPair, KemOutput, SignatureScheme,
};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// openmls' own provider, but for what it seals to these keys.
struct Hostile {
    inner: OpenMlsRustCrypto,
    spoilt: Vec<Vec<u8>>,
}

impl OpenMlsProvider for Hostile {
    type CryptoProvider = Hostile;
    type RandProvider = <OpenMlsRustCrypto as OpenMlsProvider>::RandProvider;
    type StorageProvider = <OpenMlsRustCrypto as OpenMlsProvider>::StorageProvider;

    fn storage(&self) -> &Self::StorageProvider {
        self.inner.storage()
    }

    fn crypto(&self) -> &Hostile {
        self
    }

    fn rand(&self) -> &Self::RandProvider {
        self.inner.rand()
    }
}

impl OpenMlsCrypto for Hostile {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        self.inner.crypto().supports(suite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        self.inner.crypto().supported_ciphersuites()
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        self.inner.crypto().hkdf_extract(hash, salt, ikm)
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        self.inner.crypto().hmac(hash, key, message)
    }

    fn hkdf_expand(&self, hash: HashType, prk: &[u8], info: &[u8], len: usize) -> Result<SecretVLBytes, CryptoError> {
        self.inner.crypto().hkdf_expand(hash, prk, info, len)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hash(hash, data)
    }

    fn aead_encrypt(&self, alg: AeadType, key: &[u8], data: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().aead_encrypt(alg, key, data, nonce, aad)
    }

    fn aead_decrypt(&self, alg: AeadType, key: &[u8], sealed: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().aead_decrypt(alg, key, sealed, nonce, aad)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        self.inner.crypto().signature_key_gen(alg)
    }

    fn verify_signature(&self, alg: SignatureScheme, data: &[u8], key: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.inner.crypto().verify_signature(alg, data, key, signature)
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().sign(alg, data, key)
    }

    fn hpke_seal(&self, config: HpkeConfig, to: &[u8], info: &[u8], aad: &[u8], text: &[u8]) -> Result<HpkeCiphertext, CryptoError> {
        let garbage = vec![0; text.len()];
        let text = if self.spoilt.iter().any(|key| key == to) { &garbage } else { text };
        self.inner.crypto().hpke_seal(config, to, info, aad, text)
    }

    fn hpke_open(&self, config: HpkeConfig, input: &HpkeCiphertext, key: &[u8], info: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hpke_open(config, input, key, info, aad)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        to: &[u8],
        info: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        self.inner.crypto().hpke_setup_sender_and_export(config, to, info, context, len)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        key: &[u8],
        info: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        self.inner.crypto().hpke_setup_receiver_and_export(config, enc, key, info, context, len)
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        self.inner.crypto().derive_hpke_keypair(config, ikm)
    }
}

/// Signs with a key that the provider made.
struct Key {
    secret: Vec<u8>,
    public: Vec<u8>,
}

impl Signer for Key {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        OpenMlsRustCrypto::default().crypto().sign(SignatureScheme::ED25519, payload, &self.secret).map_err(|_| SignerError::SigningError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

struct Member {
    provider: Hostile,
    key: Key,
    name: String,
}

impl Member {
    fn new(name: &str) -> Member {
        let inner = OpenMlsRustCrypto::default();
        let (secret, public) = inner.crypto().signature_key_gen(SignatureScheme::ED25519).expect("a key");
        Member { provider: Hostile { inner, spoilt: Vec::new() }, key: Key { secret, public }, name: name.to_owned() }
    }

    fn credential(&self) -> CredentialWithKey {
        let signature_key = self.key.public.as_slice().into();
        CredentialWithKey { credential: BasicCredential::new(self.name.clone().into_bytes()).into(), signature_key }
    }

    fn key_package(&self) -> KeyPackage {
        let bundle = KeyPackage::builder().build(SUITE, &self.provider, &self.key, self.credential()).expect("a key package");
        bundle.key_package().clone()
    }
}

fn read(message: &MlsMessageOut) -> ProtocolMessage {
    let bytes = message.to_bytes().expect("bytes");
    MlsMessageIn::tls_deserialize_exact(bytes).expect("a message").try_into_protocol_message().expect("of a group")
}

/// Four members, the second of them hostile, whose handshakes are public messages: a group seals them itself.
fn group() -> Vec<(Member, MlsGroup)> {
    let mut members: Vec<Member> = ["alice", "mallory", "bob", "carol"].map(Member::new).into();
    let alice = members.remove(0);
    let create = MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .build();
    let mut mls = MlsGroup::new(&alice.provider, &alice.key, &create, alice.credential()).expect("a group");
    let packages: Vec<KeyPackage> = members.iter().map(Member::key_package).collect();
    let (_, welcome, _) = mls.add_members(&alice.provider, &alice.key, &packages).expect("a commit");
    mls.merge_pending_commit(&alice.provider).expect("merged");
    let welcome = welcome.to_bytes().expect("bytes");
    let join = MlsGroupJoinConfig::builder().wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY).build();
    let mut all = vec![(alice, mls)];
    for member in members {
        let welcome = MlsMessageIn::tls_deserialize_exact(&welcome).expect("a message").extract();
        let MlsMessageBodyIn::Welcome(welcome) = welcome else {
            panic!("no Welcome");
        };
        let staged = StagedWelcome::new_from_welcome(&member.provider, &join, welcome, None).expect("joined");
        let mls = staged.into_group(&member.provider).expect("a group");
        all.push((member, mls));
    }
    all
}

/// Why a commit was not followed.
#[derive(PartialEq, Eq, Debug)]
enum Trouble {
    /// It can't be completed by who tries.
    Incomplete,
    /// It is broken, as everybody sees.
    Broken,
}

/// What a member makes of a commit.
fn judge((member, mls): &mut (Member, MlsGroup), commit: &MlsMessageOut) -> Result<(), Trouble> {
    mls.process_message(&member.provider, read(commit)).map(|_| ()).map_err(|error| match error {
        ProcessMessageError::InvalidCommit(StageCommitError::UpdatePathError(_) | StageCommitError::ConfirmationTagMismatch) => {
            Trouble::Incomplete
        }
        _ => Trouble::Broken,
    })
}

/// The hostile member removes alice, and spoils what the last two are sealed.
fn half_a_removal(all: &mut [(Member, MlsGroup)]) -> MlsMessageOut {
    let (mallory, mls) = &mut all[1];
    // Nobody of the right subtree has committed yet: its parent is blank, and the path is sealed to its leaves.
    mallory.provider.spoilt = mls.members().filter(|member| member.index.u32() >= 2).map(|member| member.encryption_key).collect();
    let (commit, _, _) = mls.remove_members(&mallory.provider, &mallory.key, &[LeafNodeIndex::new(0)]).expect("a commit");
    commit
}

#[test]
fn who_cannot_open_the_path_is_told_apart_from_whoever_sees_a_broken_commit() {
    let mut all = group();
    let commit = half_a_removal(&mut all);
    for member in &mut all[2..] {
        assert_eq!(judge(member, &commit), Err(Trouble::Incomplete));
    }
    // Who is removed needs no path.
    assert!(judge(&mut all[0], &commit).is_ok());
}

#[test]
fn who_cannot_complete_a_commit_still_sees_whose_it_is_and_what_it_does() {
    let mut all = group();
    let commit = half_a_removal(&mut all);
    let (bob, mls) = &mut all[2];
    assert!(mls.process_message(&bob.provider, read(&commit)).is_err());
    let seen = mls.public_group().process_message(&bob.provider, read(&commit)).expect("publicly valid");
    assert_eq!(*seen.sender(), openmls::prelude::Sender::Member(LeafNodeIndex::new(1)));
    let ProcessedMessageContent::StagedCommitMessage(staged) = seen.into_content() else {
        panic!("no commit");
    };
    let removed: Vec<LeafNodeIndex> = staged.remove_proposals().map(|remove| remove.remove_proposal().removed()).collect();
    assert_eq!(removed, [LeafNodeIndex::new(0)]);
}

#[test]
fn what_could_not_be_completed_leaves_the_group_as_it_was() {
    let mut all = group();
    let commit = half_a_removal(&mut all);
    let (bob, mls) = &mut all[2];
    assert!(mls.process_message(&bob.provider, read(&commit)).is_err());
    let kept = MlsGroup::load(bob.provider.storage(), mls.group_id()).expect("a store").expect("a group");
    assert_eq!(kept.epoch(), mls.epoch());
    // Nothing of it was used up: an honest commit of the same epoch is followed.
    let (alice, of_alice) = &mut all[0];
    let update = of_alice.self_update(&alice.provider, &alice.key, LeafNodeParameters::default()).expect("a commit");
    for place in [2, 3] {
        assert!(judge(&mut all[place], update.commit()).is_ok());
    }
}
