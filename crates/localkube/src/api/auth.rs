//! Who asks: bearer tokens of the administrator and of service accounts.
//!
//! There is no RBAC. The administrator, whose token is in the kubeconfig, may do everything; a
//! service account may ask about itself and nothing else, whatever Roles and bindings say.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use http::{HeaderMap, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::target;
use crate::config::StartError;
use crate::objects::{ApiError, Objects, resource};

/// Who issues the tokens of service accounts, and for whom they are where a request names nobody.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

/// Someone who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    /// Name and uid of the pod that a token is bound to.
    pub pod: Option<(String, String)>,
    pub admin: bool,
}

impl User {
    fn admin() -> Self {
        Self {
            name: "kubernetes-admin".to_owned(),
            uid: "kubernetes-admin".to_owned(),
            groups: vec![
                "system:masters".to_owned(),
                "system:authenticated".to_owned(),
            ],
            pod: None,
            admin: true,
        }
    }

    /// As in `status.user` of reviews.
    pub fn info(&self) -> Value {
        let mut info = json!({ "username": self.name, "uid": self.uid, "groups": self.groups });
        if let Some((name, uid)) = &self.pod {
            info["extra"] = json!({
                "authentication.kubernetes.io/pod-name": [name],
                "authentication.kubernetes.io/pod-uid": [uid],
            });
        }
        info
    }

    /// Refuse what the user may not ask for.
    pub fn may_ask(&self, path: &target::Path) -> Result<(), ApiError> {
        let about_self = matches!(
            path,
            target::Path::Objects(target) if matches!(
                target.plural.as_str(),
                "selfsubjectreviews" | "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
            )
        );
        if self.admin || about_self {
            return Ok(());
        }
        let (what, name) = match path {
            target::Path::Objects(target) => (target.plural.as_str(), target.name.as_deref()),
            _ => ("path", None),
        };
        Err(ApiError::forbidden(
            what,
            name.unwrap_or_default(),
            format!(
                "User {:?} may only ask about itself: this cluster has no RBAC",
                self.name
            ),
        ))
    }
}

/// The secrets by which tokens are known.
#[derive(Clone)]
pub(crate) struct Tokens {
    admin: String,
    key: Vec<u8>,
}

/// What a service account's token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub namespace: String,
    pub account: String,
    pub uid: String,
    pub audiences: Vec<String>,
    /// Seconds since 1970.
    pub expires: i64,
    /// The object whose end also ends the token: resource, name and uid.
    pub bound: Option<(String, String, String)>,
}

impl Tokens {
    /// Read the secrets of a folder, or make them.
    pub fn open(folder: &Path) -> Result<Self, StartError> {
        Ok(Self {
            admin: secret(&folder.join("admin-token"))?,
            key: secret(&folder.join("token-key"))?.into_bytes(),
        })
    }

    /// The administrator's token.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Who sent a request.
    pub(super) fn authenticate(
        &self,
        objects: &Objects,
        headers: &HeaderMap,
    ) -> Result<User, ApiError> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(ApiError::Unauthorized)?;
        let (user, audiences) = self
            .identify(objects, token)
            .ok_or(ApiError::Unauthorized)?;
        if user.admin || audiences.iter().any(|audience| audience == ISSUER) {
            Ok(user)
        } else {
            Err(ApiError::Unauthorized)
        }
    }

    /// Whose token it is, and for which audiences.
    pub(super) fn identify(&self, objects: &Objects, token: &str) -> Option<(User, Vec<String>)> {
        // Digests have one length, so that the comparison tells nothing about the token's.
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        if bool::from(digest(token).ct_eq(&digest(&self.admin))) {
            return Some((User::admin(), vec![ISSUER.to_owned()]));
        }
        let claims = self.verify(token)?;
        if claims.expires <= jiff::Timestamp::now().as_second() {
            return None;
        }
        let alive = |resource: &str, name: &str, uid: &str| {
            objects
                .get(resource, &claims.namespace, name)
                .is_ok_and(|object| object["metadata"]["uid"] == uid)
        };
        if !alive(resource::SERVICE_ACCOUNTS, &claims.account, &claims.uid) {
            return None;
        }
        if let Some((resource, name, uid)) = &claims.bound
            && !alive(resource, name, uid)
        {
            return None;
        }
        let user = User {
            name: format!(
                "system:serviceaccount:{}:{}",
                claims.namespace, claims.account
            ),
            uid: claims.uid,
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", claims.namespace),
                "system:authenticated".to_owned(),
            ],
            pod: claims
                .bound
                .filter(|(resource, ..)| resource == resource::PODS)
                .map(|(_, name, uid)| (name, uid)),
            admin: false,
        };
        Some((user, claims.audiences))
    }

    /// A token that says this: a JSON Web Token, signed with this cluster's key (HS256).
    pub(crate) fn issue(&self, claims: &Claims) -> String {
        let mut kubernetes = json!({
            "namespace": claims.namespace,
            "serviceaccount": { "name": claims.account, "uid": claims.uid },
        });
        if let Some((resource, name, uid)) = &claims.bound {
            kubernetes["bound"] = json!({ "resource": resource, "name": name, "uid": uid });
        }
        let payload = json!({
            "iss": ISSUER,
            "sub": format!("system:serviceaccount:{}:{}", claims.namespace, claims.account),
            "aud": claims.audiences,
            "iat": jiff::Timestamp::now().as_second(),
            "exp": claims.expires,
            "jti": uuid::Uuid::new_v4().to_string(),
            "kubernetes.io": kubernetes,
        });
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            encode(&json!({ "alg": "HS256", "typ": "JWT" })),
            encode(&payload)
        );
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac =
            <Hmac<Sha256> as Mac>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(signed.as_bytes());
        mac
    }

    fn verify(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(signed).verify_slice(&signature).ok()?;
        let (_, payload) = signed.split_once('.')?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let kubernetes = &payload["kubernetes.io"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let bound = &kubernetes["bound"];
        Some(Claims {
            namespace: text(&kubernetes["namespace"])?,
            account: text(&kubernetes["serviceaccount"]["name"])?,
            uid: text(&kubernetes["serviceaccount"]["uid"])?,
            audiences: payload["aud"].as_array()?.iter().filter_map(text).collect(),
            expires: payload["exp"].as_i64()?,
            bound: bound
                .is_object()
                .then(|| {
                    Some((
                        text(&bound["resource"])?,
                        text(&bound["name"])?,
                        text(&bound["uid"])?,
                    ))
                })
                .flatten(),
        })
    }
}

/// What a file of mode 0600 holds; where it is absent or empty it is made first.
pub(super) fn private_file(
    path: &Path,
    make: impl FnOnce() -> std::io::Result<String>,
) -> Result<String, StartError> {
    let file = |action| {
        let path = path.to_owned();
        move |source| StartError::File {
            action,
            path,
            source,
        }
    };
    match std::fs::read_to_string(path) {
        Ok(text) if !text.is_empty() => return Ok(text),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(file("read the file")(error)),
    }
    // Written aside and renamed: a process that ends meanwhile leaves no half of a secret.
    let unfinished = path.with_extension("unfinished");
    let text = make().map_err(file("make the secret in"))?;
    std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(file("write the file"))?;
    Ok(text)
}

/// A random secret that is kept in a file.
fn secret(path: &Path) -> Result<String, StartError> {
    private_file(path, || Ok(hex::encode(rand::random::<[u8; 32]>())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn claims(objects: &Objects) -> Claims {
        let account = objects
            .get("serviceaccounts", "default", "default")
            .unwrap();
        Claims {
            namespace: "default".to_owned(),
            account: "default".to_owned(),
            uid: account["metadata"]["uid"].as_str().unwrap().to_owned(),
            audiences: vec![ISSUER.to_owned()],
            expires: jiff::Timestamp::now().as_second() + 60,
            bound: None,
        }
    }

    #[test]
    fn a_token_is_known_until_it_expires_or_its_account_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (objects, tokens) = (
            Objects::open(None).unwrap(),
            Tokens::open(folder.path()).unwrap(),
        );
        let claims = claims(&objects);
        let token = tokens.issue(&claims);
        let (user, _) = tokens.identify(&objects, &token).unwrap();
        assert_eq!(user.name, "system:serviceaccount:default:default");
        let old = tokens.issue(&Claims {
            expires: 1,
            ..claims.clone()
        });
        assert!(tokens.identify(&objects, &old).is_none());
        let bound = Claims {
            bound: Some(("pods".into(), "a".into(), "u".into())),
            ..claims
        };
        assert!(tokens.identify(&objects, &tokens.issue(&bound)).is_none());
        objects
            .delete("serviceaccounts", "default", "default", &Default::default())
            .unwrap();
        assert!(tokens.identify(&objects, &token).is_none());
    }

    #[test]
    fn a_changed_token_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let (objects, tokens) = (
            Objects::open(None).unwrap(),
            Tokens::open(folder.path()).unwrap(),
        );
        let token = tokens.issue(&claims(&objects));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let other = BASE64_URL_SAFE_NO_PAD.encode("{}");
        for bad in [
            format!("{header}.{other}.{signature}"),
            format!("{signed}."),
            format!("{header}.{payload}"),
            String::new(),
            tokens.admin().chars().skip(1).collect(),
        ] {
            assert!(tokens.identify(&objects, &bad).is_none(), "{bad}");
        }
        let again = Tokens::open(folder.path()).unwrap();
        assert!(again.identify(&objects, &token).is_some());
        assert!(again.identify(&objects, tokens.admin()).unwrap().0.admin);
    }
}
