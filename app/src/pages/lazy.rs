//! The pages that the browser loads when they are asked for: parts of their own beside the program, so
//! that the list, where most visits begin, loads without them.

use leptos::prelude::*;
use leptos_router::ChooseView;

use super::{
    create::CreatePage,
    delete::DeletePage,
    deliveries::DeliveriesPage,
    environment::EnvironmentPage,
    overview::OverviewPage,
    preview::PreviewPage,
    project::ProjectPage,
    projects::{ProjectsPage, new::NewProjectPage},
    sign_in::SignInPage,
    teams::{list::TeamsPage, team::TeamPage},
    tokens::TokensPage,
};

/// A page that is loaded when it is asked for. One type for all of them: the router's code is compiled
/// once for each type of view.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LazyPage {
    Create,
    Delete,
    Deliveries,
    Environment,
    NewProject,
    Overview,
    Preview,
    Project,
    Projects,
    SignIn,
    Team,
    Teams,
    Tokens,
}

impl ChooseView for LazyPage {
    async fn choose(self) -> AnyView {
        match self {
            Self::Preview => preview().await,
            page => other(page).await,
        }
    }

    async fn preload(&self) {
        #[cfg(not(feature = "ssr"))]
        match self {
            Self::Preview => __preload_preview().await,
            _ => __preload_other().await,
        }
    }
}

/// A preview's page with its log and its shell, as large as all the others together.
#[lazy]
fn preview() -> AnyView {
    PreviewPage().into_any()
}

/// All other pages in one part: they are small and have much in common, which would otherwise become a
/// part for each set of pages that shares it.
#[lazy]
fn other(page: LazyPage) -> AnyView {
    match page {
        LazyPage::Create => CreatePage().into_any(),
        LazyPage::Delete => DeletePage().into_any(),
        LazyPage::Deliveries => DeliveriesPage().into_any(),
        LazyPage::Environment => EnvironmentPage().into_any(),
        LazyPage::NewProject => NewProjectPage().into_any(),
        LazyPage::Overview => OverviewPage().into_any(),
        LazyPage::Project => ProjectPage().into_any(),
        LazyPage::Projects => ProjectsPage().into_any(),
        LazyPage::SignIn => SignInPage().into_any(),
        LazyPage::Team => TeamPage().into_any(),
        LazyPage::Teams => TeamsPage().into_any(),
        LazyPage::Tokens => TokensPage().into_any(),
        // It has a part of its own.
        LazyPage::Preview => ().into_any(),
    }
}
