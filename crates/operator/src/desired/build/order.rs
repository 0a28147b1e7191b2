//! What is to be built, told from what the repository holds and what the Project says. Pure.

use catalyst_crd::project::Build;
use catalyst_render::detect::{DEFAULT_PORT, Inventory, dockerfile, survey_at};
use catalyst_render::dockerfile::{generate, given};
use catalyst_render::folder::{join, parent};
use catalyst_render::{BuildSpec, Folder, ImageNames};

use super::Order;
use crate::builds::BuildSettings;
use crate::desired::workload::NAME;
use crate::desired::{Problem, Source, Target};
use crate::settings::OperatorSettings;

/// Everything that an order is made from.
#[derive(Debug, Clone, Copy)]
pub struct Builder<'a> {
    /// Whose image it is.
    pub target: &'a Target,
    /// The operator's settings.
    pub settings: &'a OperatorSettings,
    /// How images are built.
    pub builds: &'a BuildSettings,
}

/// What an image's names are made from.
#[must_use]
pub fn image_names(
    target: &Target,
    reference: String,
    builds: Option<&BuildSettings>,
) -> ImageNames {
    let usual = ImageNames::default();
    ImageNames {
        registry: builds.map_or(usual.registry, |builds| {
            builds.registry.trim_end_matches('/').to_owned()
        }),
        // Registries take no capitals.
        project: target.project.to_ascii_lowercase(),
        environment: target.name.clone(),
        reference,
    }
}

impl Builder<'_> {
    /// The image of the program that lies in `directory` (empty: the root), and the port that it
    /// listens on: by the Dockerfile that the template names, else by the one that is there, else by
    /// one that is made for it.
    ///
    /// # Errors
    /// If there is none that can be read and none can be made.
    pub fn program(
        &self,
        folder: &Folder,
        source: &Source,
        directory: &str,
        build: Option<&Build>,
    ) -> Result<(Order, u16), Problem> {
        // The earlier Catalyst took paths from the root with and without a slash.
        let place = |path: &str| {
            join("", path.trim_start_matches('/')).map_err(|error| {
                Problem::new(
                    "ConfigRefused",
                    format!("the template's build: {error}; correct it in the Project"),
                )
            })
        };
        let text = |value: Option<&String>| value.filter(|text| !text.is_empty()).cloned();
        let path = text(build.and_then(|build| build.path.as_ref()));
        let file = text(build.and_then(|build| build.dockerfile.as_ref()));
        let (context, file) = match (path, file) {
            (None, None) => {
                let inventory = survey_at(folder, directory);
                match dockerfile(&inventory) {
                    Some(file) => (parent(&file).to_owned(), file),
                    None => return self.generated(&inventory, source, build),
                }
            }
            (path, file) => {
                let context = place(&path.unwrap_or_default())?;
                let file = file.unwrap_or_else(|| "Dockerfile".to_owned());
                let file = join(&context, &file).map_err(|error| {
                    Problem::new(
                        "ConfigRefused",
                        format!("the template's build: {error}; correct it in the Project"),
                    )
                })?;
                (context, file)
            }
        };
        let text = self.text(folder, &file)?;
        let order = self.order(Parts {
            source,
            name: build_name(build),
            context,
            ignore: own_ignore(folder, &file),
            words: file,
            text: &text,
            target: build.and_then(|build| build.target.clone()),
            args: build.map(|build| build.args.clone()).unwrap_or_default(),
            image: None,
            resources: build.and_then(|build| build.resources.clone()),
        });
        let port = given::exposed(&text, order.target.as_deref(), &order.args);
        Ok((order, port.unwrap_or(DEFAULT_PORT)))
    }

    fn generated(
        &self,
        inventory: &Inventory,
        source: &Source,
        build: Option<&Build>,
    ) -> Result<(Order, u16), Problem> {
        let made = generate(inventory, &self.settings.images).ok_or_else(|| {
            Problem::new(
                "NotRecognised",
                "the repository has no Dockerfile, and nothing that one could be made for was found in \
                 it; add a Dockerfile, or name an image in the Project's template",
            )
        })?;
        let order = self.order(Parts {
            source,
            name: build_name(build),
            context: String::new(),
            ignore: Some(made.ignore),
            words: format!("a Dockerfile that was made for it ({})", made.reason),
            text: &made.text,
            target: None,
            args: build.map(|build| build.args.clone()).unwrap_or_default(),
            image: None,
            resources: build.and_then(|build| build.resources.clone()),
        });
        Ok((order, made.port))
    }

    /// The image of a compose file's service.
    ///
    /// # Errors
    /// If its Dockerfile cannot be read.
    pub fn service(
        &self,
        folder: &Folder,
        source: &Source,
        spec: &BuildSpec,
    ) -> Result<Order, Problem> {
        let text = match &spec.dockerfile_inline {
            Some(text) => text.clone(),
            None => self.text(folder, &spec.dockerfile)?,
        };
        let inline = spec.dockerfile_inline.is_some();
        Ok(self.order(Parts {
            source,
            name: spec.name.clone(),
            context: spec.path.clone(),
            ignore: (!inline)
                .then(|| own_ignore(folder, &spec.dockerfile))
                .flatten(),
            words: if inline {
                format!("the Dockerfile in the compose file's service {}", spec.name)
            } else {
                spec.dockerfile.clone()
            },
            text: &text,
            target: spec.target.clone(),
            args: spec.args.clone(),
            image: Some(spec.image.clone()),
            resources: None,
        }))
    }

    fn text(&self, folder: &Folder, file: &str) -> Result<String, Problem> {
        folder.text(file).map(ToOwned::to_owned).map_err(|error| {
            Problem::new(
                "DockerfileUnreadable",
                format!("the image cannot be built by {file}: {error}"),
            )
        })
    }

    fn order(&self, parts: Parts<'_>) -> Order {
        let reference = parts.source.commit().map_or_else(
            || parts.source.branch.clone(),
            |commit| commit.as_str().to_owned(),
        );
        let names = image_names(self.target, reference, Some(self.builds));
        Order {
            image: parts.image.unwrap_or_else(|| names.of(&parts.name)),
            name: parts.name,
            source: parts.source.clone(),
            context: parts.context,
            dockerfile: given::adapted(parts.text, &parts.args, &self.settings.images),
            ignore: parts.ignore,
            words: parts.words,
            target: parts.target.filter(|stage| !stage.is_empty()),
            args: parts.args,
            resources: parts.resources,
        }
    }
}

struct Parts<'a> {
    source: &'a Source,
    name: String,
    context: String,
    ignore: Option<String>,
    words: String,
    text: &'a str,
    target: Option<String>,
    args: std::collections::BTreeMap<String, String>,
    image: Option<String>,
    resources: Option<k8s_openapi::api::core::v1::ResourceRequirements>,
}

fn build_name(build: Option<&Build>) -> String {
    let given = build.map(|build| catalyst_render::rendered::dns_name(&build.name, 40));
    given
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| NAME.to_owned())
}

/// The `.dockerignore` that belongs to this Dockerfile alone; the context's own is found there.
fn own_ignore(folder: &Folder, file: &str) -> Option<String> {
    folder
        .get(&format!("{file}.dockerignore"))
        .map(ToOwned::to_owned)
}
