//! CPU and memory: figures, their course over the last half hour, and bars.

use catalyst_model::usage::{PreviewUsage, Resources};
use leptos::prelude::*;

use super::icons::{Glyph, Icon};
use crate::format;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Cpu,
    Memory,
}

impl Kind {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "Memory",
        }
    }

    /// An amount, as people read it.
    pub(crate) fn amount(self, amount: u64) -> String {
        match self {
            Self::Cpu => format::cpu(amount),
            Self::Memory => format::memory(amount),
        }
    }

    pub(crate) const fn of(self, resources: &Resources) -> u64 {
        match self {
            Self::Cpu => resources.cpu_millicores,
            Self::Memory => resources.memory_mib,
        }
    }

    pub(crate) const fn limit(self, usage: &PreviewUsage) -> u64 {
        match self {
            Self::Cpu => usage.cpu_limit,
            Self::Memory => usage.memory_limit,
        }
    }

    pub(crate) const fn exceeded(self, usage: &PreviewUsage) -> bool {
        match self {
            Self::Cpu => usage.exceeding_cpu,
            Self::Memory => usage.exceeding_memory,
        }
    }

    fn course(self, usage: &PreviewUsage) -> &[u32] {
        match self {
            Self::Cpu => &usage.history.cpu,
            Self::Memory => &usage.history.memory,
        }
    }
}

/// A figure of the list with its course; marked where it is over its limit.
#[component]
pub(crate) fn UsageCell(kind: Kind, usage: PreviewUsage) -> impl IntoView {
    let (used, limit, over) = (
        kind.of(&usage.used),
        kind.limit(&usage),
        kind.exceeded(&usage),
    );
    let title = format!("{} of {}", kind.amount(used), kind.amount(limit));
    view! {
        <span class="usage" class:over=over title=title>
            <span class="usage-figure">
                {over.then(|| view! { <Icon glyph=Glyph::Alert /> })}
                {kind.amount(used)}
                {over.then(|| view! { <span class="unseen">", too much: " {kind.amount(limit)} " is its limit"</span> })}
            </span>
            <Spark values=kind.course(&usage).to_vec() limit over />
        </span>
    }
    .into_any()
}

/// The course of a figure as a line; what it says is said in words beside it.
#[component]
pub(crate) fn Spark(
    values: Vec<u32>,
    limit: u64,
    over: bool,
    #[prop(default = false)] large: bool,
) -> impl IntoView {
    let (width, height) = if large { (300, 56) } else { (72, 20) };
    let drawn = spark(&values, limit, width, height);
    view! {
        <svg
            class="spark"
            class:over=over
            class:large=large
            viewBox=format!("0 0 {width} {height}")
            preserveAspectRatio="none"
            aria-hidden="true"
            focusable="false"
        >
            {drawn
                .limit
                .map(|y| {
                    view! { <line class="spark-limit" x1="0" x2=width.to_string() y1=y.clone() y2=y.clone() /> }
                })}
            <path class="spark-ground" d=drawn.ground />
            <path class="spark-line" d=drawn.line />
        </svg>
    }
    .into_any()
}

/// The paths of a course.
#[derive(Debug, PartialEq, Eq)]
struct Drawn {
    line: String,
    ground: String,
    /// Where the limit's line lies, where it is near enough to be drawn.
    limit: Option<String>,
}

fn spark(values: &[u32], limit: u64, right: u32, bottom: u32) -> Drawn {
    let (width, height) = (f64::from(right), f64::from(bottom));
    // A single point is no course: it would be a speck beside the figure.
    let values = if values.len() > 1 { values } else { &[] };
    let most = values.iter().copied().max().unwrap_or_default();
    let limit = f64::from(u32::try_from(limit).unwrap_or(u32::MAX));
    let top = f64::from(most).max(limit / 4.0).max(1.0) * 1.15;
    let y = |value: f64| height - 1.0 - value / top * (height - 2.0);
    // The last minute is at the right edge, however many there are.
    let step = width / (catalyst_model::usage::UsageHistory::MINUTES - 1) as f64;
    let first = width - step * values.len().saturating_sub(1) as f64;
    let mut line = String::new();
    for (n, value) in values.iter().enumerate() {
        let command = if n == 0 { 'M' } else { 'L' };
        let x = first + step * n as f64;
        line.push_str(&format!(
            "{command}{} {}",
            tenths(x),
            tenths(y(f64::from(*value)))
        ));
    }
    let ground = match values {
        [] => String::new(),
        _ => format!("{line}V{bottom}H{}Z", tenths(first)),
    };
    Drawn {
        ground,
        line,
        limit: (limit <= top).then(|| tenths(y(limit))),
    }
}

/// A number that is not negative, with one digit behind the point. By whole numbers: what formats any
/// floating point number is large, and browsers would have to load it.
fn tenths(number: f64) -> String {
    let tenths = (number * 10.0).round() as u64;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// How much of something is taken: one bar, or two on one ground.
#[component]
pub(crate) fn Bar(
    /// Each with its class; the widest first.
    parts: Vec<(&'static str, u64)>,
    whole: u64,
) -> impl IntoView {
    view! {
        <svg class="bar" aria-hidden="true" focusable="false">
            <rect class="bar-ground" width="100%" height="100%" />
            {parts
                .into_iter()
                .map(|(class, part)| {
                    let width = format!("{}%", tenths(percent(part, whole)));
                    view! { <rect class=class width=width height="100%" /> }
                })
                .collect_view()}
        </svg>
    }
    .into_any()
}

/// A part of a whole in percent, at most 100.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => (part as f64 / whole as f64 * 100.0).min(100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_ends_at_the_right_edge_and_stays_within_its_box() {
        let drawn = spark(&[0, 250, 500], 500, 72, 20);
        assert!(drawn.line.starts_with("M67.0 19.0L"), "{drawn:?}");
        assert!(drawn.line.contains("L72.0 3.3"), "{drawn:?}");
        assert_eq!(drawn.limit.as_deref(), Some("3.3"));
        let calm = spark(&[1, 1], 5000, 72, 20);
        assert_eq!(calm.limit, None, "a limit far away is not drawn");
        for none in [&[][..], &[7]] {
            let drawn = spark(none, 0, 72, 20);
            assert!(
                drawn.line.is_empty() && drawn.ground.is_empty(),
                "{drawn:?}"
            );
        }
    }

    #[test]
    fn parts_of_a_whole_never_leave_their_bar() {
        for (part, whole, expected) in [(1, 2, 50.0), (9, 3, 100.0), (5, 0, 0.0)] {
            assert!(
                (percent(part, whole) - expected).abs() < 0.01,
                "{part}/{whole}"
            );
        }
    }
}
