//! The forms in which objects can be had.

use serde_json::json;

use crate::harness::{Contract, items_of, text};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

#[tokio::test]
async fn a_table_has_the_columns_of_kubectl() {
    let contract = Contract::start().await;
    contract
        .config_map("a", json!({ "x": "1", "y": "2" }))
        .await;
    let table = contract
        .get_as(
            &format!(
                "{}?fieldSelector=metadata.name%3Da",
                contract.path("configmaps")
            ),
            TABLE,
        )
        .await
        .expect(200);
    assert_eq!(
        (&table["kind"], &table["apiVersion"]),
        (&json!("Table"), &json!("meta.k8s.io/v1"))
    );
    assert!(table["metadata"]["resourceVersion"].is_string());
    let columns: Vec<String> = items_of(&table["columnDefinitions"])
        .map(|column| text(&column["name"]))
        .collect();
    assert_eq!(columns, ["Name", "Data", "Age"]);
    let row = &table["rows"][0];
    assert_eq!(
        (&row["cells"][0], &row["cells"][1]),
        (&json!("a"), &json!(2))
    );
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["object"]["metadata"]["name"], "a");
    let none = contract
        .get_as(
            &format!("{}/a?includeObject=None", contract.path("configmaps")),
            TABLE,
        )
        .await
        .expect(200);
    assert!(none["rows"][0]["object"].is_null());
}

#[tokio::test]
async fn the_kinds_of_the_product_have_their_columns() {
    let contract = Contract::start().await;
    for (path, expected) in [
        (
            contract.path("pods"),
            "Name Ready Status Restarts Age IP Node Nominated Node Readiness Gates",
        ),
        (
            contract.path("services"),
            "Name Type Cluster-IP External-IP Port(s) Age Selector",
        ),
        (
            contract.path_of("apps/v1", "deployments"),
            "Name Ready Up-to-date Available Age Containers Images Selector",
        ),
        (
            contract.path_of("apps/v1", "replicasets"),
            "Name Desired Current Ready Age Containers Images Selector",
        ),
        (
            contract.path_of("apps/v1", "statefulsets"),
            "Name Ready Age Containers Images",
        ),
        (
            contract.path_of("batch/v1", "jobs"),
            "Name Status Completions Duration Age Containers Images Selector",
        ),
        (
            contract.path_of("networking.k8s.io/v1", "ingresses"),
            "Name Class Hosts Address Ports Age",
        ),
        (
            contract.path_of("networking.k8s.io/v1", "networkpolicies"),
            "Name Pod-Selector Age",
        ),
        (contract.path("secrets"), "Name Type Data Age"),
        (
            contract.path("persistentvolumeclaims"),
            "Name Status Volume Capacity Access Modes StorageClass VolumeAttributesClass Age VolumeMode",
        ),
        (
            contract.path("events"),
            "Last Seen Type Reason Object Subobject Source Message First Seen Count Name",
        ),
        (contract.path("resourcequotas"), "Name Request Limit Age"),
        (contract.path("limitranges"), "Name Created At"),
        ("/api/v1/namespaces".to_owned(), "Name Status Age"),
        (
            "/api/v1/nodes".to_owned(),
            "Name Status Roles Age Version Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
    ] {
        let table = contract.get_as(&path, TABLE).await.expect(200);
        let columns: Vec<String> = items_of(&table["columnDefinitions"])
            .map(|column| text(&column["name"]))
            .collect();
        assert_eq!(columns.join(" "), expected, "{path}");
    }
}

#[tokio::test]
async fn metadata_alone_can_be_had() {
    let contract = Contract::start().await;
    contract.config_map("a", json!({ "x": "1" })).await;
    let path = contract.path("configmaps");
    let list = contract
        .get_as(
            &path,
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        )
        .await
        .expect(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (
            &json!("PartialObjectMetadataList"),
            &json!("meta.k8s.io/v1")
        )
    );
    let one = contract
        .get_as(
            &format!("{path}/a"),
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        )
        .await
        .expect(200);
    assert_eq!(one["kind"], "PartialObjectMetadata");
    assert_eq!(one["metadata"]["name"], "a");
    assert!(one["data"].is_null());
}

#[tokio::test]
async fn what_cannot_be_produced_is_not_acceptable() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps");
    for accept in ["text/html", "application/xml"] {
        let answer = contract.get_as(&path, accept).await;
        answer.refused(406, "NotAcceptable");
    }
    contract
        .get_as(&path, "text/html,application/json")
        .await
        .expect(200);
    contract.get_as(&path, "*/*").await.expect(200);
}
