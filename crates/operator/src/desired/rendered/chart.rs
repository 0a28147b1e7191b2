//! What of a recipe is about charts: what helm is to render, and what becomes of that.

use std::collections::BTreeMap;

use catalyst_render::helm::values::{Overlay, merged};
use catalyst_render::helm::{self, Chart};
use catalyst_render::{Folder, Warning};
use serde_json::Map;

use super::{Desired, Recipe};
use crate::desired::chart::Request;
use crate::desired::{Problem, Source};

impl Recipe<'_> {
    /// What helm is to render, with what a person should know; `built`: the images that are built
    /// for it, by the names of their builds.
    ///
    /// # Errors
    /// If there is no chart, or it needs something from where nothing is fetched.
    pub fn request(
        &self,
        folder: &Folder,
        source: &Source,
        built: &BTreeMap<String, String>,
    ) -> Result<(Request, Vec<Warning>), Problem> {
        let path = self.path()?;
        let sources =
            helm::sources(folder, &path).map_err(|error| self.not_rendered(&path, &error))?;
        let none = Map::new();
        let overlay = Overlay {
            image: self.config.image.as_deref(),
            env: &self.config.env,
            built,
        };
        let (values, mut warnings) = merged(self.files.values.unwrap_or(&none), &overlay);
        warnings.extend(sources.warnings.iter().cloned());
        let request = Request {
            source: source.clone(),
            path,
            values,
            sources,
        };
        Ok((request, warnings))
    }

    /// The objects of a chart that helm has rendered from `source`, with `images` in place of those
    /// of other names. `upgrading`: whether another rendering of it was up before.
    ///
    /// # Errors
    /// If it asks for what a preview must not have.
    pub fn of_chart(
        &self,
        chart: &Chart,
        upgrading: bool,
        warnings: Vec<Warning>,
        source: &Source,
        images: &BTreeMap<String, String>,
    ) -> Result<Desired, Problem> {
        let path = self.path()?;
        let Some(commit) = source.commit() else {
            return Err(Problem::new(
                "CommitUnknown",
                "the chart's commit is not known yet",
            ));
        };
        let mut rendered = chart.rendered(upgrading, commit.as_str());
        rendered.warnings.extend(warnings);
        self.admitted(rendered, &path, source, commit, images)
    }
}
