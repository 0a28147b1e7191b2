//! Projects: seen in the cluster, made by people.

mod check;

/// A project to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// The team's name, a DNS-1123 label.
    pub team: String,
    /// The project's name, a DNS-1123 label.
    pub name: String,
    /// The first repository, `OWNER/NAME` as GitHub spells it.
    pub repository: String,
    /// What `git clone` is given; absent: the repository on github.com over https.
    pub clone_url: Option<String>,
    /// The branch that is run where no commit is named.
    pub branch: String,
    /// The GitHub App's installation, or `pat`; absent: the repository is public.
    pub installation_id: Option<String>,
}
