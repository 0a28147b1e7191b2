//! Where an Ingress is served: the proxy's address, in `status.loadBalancer`.

use std::net::IpAddr;

use serde_json::json;

use super::object::{find, ignore_absent, is_terminating, itself};
use super::runner::{Controller, Source};
use crate::objects::resource;

pub(super) fn controller(address: IpAddr) -> Controller {
    // Listening on all addresses is no address to go to.
    let entry = if address.is_unspecified() {
        json!({ "hostname": "localhost" })
    } else {
        json!({ "ip": address.to_string() })
    };
    Controller {
        name: "ingress-status",
        sources: vec![Source {
            resource: resource::INGRESSES,
            keys: itself,
        }],
        reconcile: Box::new(move |objects, key| {
            let ingress = find(objects, resource::INGRESSES, key)?;
            if ingress.is_some_and(|ingress| !is_terminating(&ingress)) {
                let (namespace, name) = key;
                let written =
                    objects.modify_status(resource::INGRESSES, namespace, name, |ingress| {
                        ingress["status"]["loadBalancer"] = json!({ "ingress": [entry] });
                    });
                ignore_absent(written)?;
            }
            Ok(None)
        }),
    }
}
