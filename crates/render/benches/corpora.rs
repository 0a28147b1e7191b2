//! How long it takes to tell what a repository is and to translate a compose file, over the corpora of the
//! tests: `cargo bench -p catalyst-render`.
//!
//! Each case is done over and over; the figures are over the cases' medians.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/scene/mod.rs"]
mod scene;

use std::hint::black_box;
use std::time::{Duration, Instant};

use catalyst_render::compose::{Options, render};
use catalyst_render::detect::{detect, survey};
use catalyst_render::validate::{Policy, admit};
use catalyst_render::{Images, dockerfile, yaml};
use scene::{Case, cases};

const TIMES: usize = 51;

fn main() {
    measure("detection", "repositories", |case| {
        drop(black_box(detect(&survey(&case.folder), None)));
    });
    measure("a generated Dockerfile", "repositories", |case| {
        drop(black_box(dockerfile::generate(
            &survey(&case.folder),
            &Images::default(),
        )));
    });
    measure(
        "a compose file, translated and checked",
        "compose",
        |case| {
            let path = case.header("path").unwrap_or_default();
            let rendered = render(&case.folder, path, &Options::default());
            if let Ok(Ok(admitted)) = rendered.map(|it| admit(it, Policy::default())) {
                black_box(yaml::print(&admitted.objects));
            }
        },
    );
}

fn measure(what: &str, corpus: &str, work: impl Fn(&Case)) {
    let cases = cases(corpus);
    let mut medians: Vec<Duration> = cases.iter().map(|case| median(|| work(case))).collect();
    medians.sort();
    let micros = |part: usize| medians[(medians.len() - 1) * part / 100].as_secs_f64() * 1e6;
    println!(
        "FIGURE {what}: {:.0} µs (median of {} cases in {corpus}), at most {:.0} µs for 95 % of them, {:.0} µs for the slowest",
        micros(50),
        cases.len(),
        micros(95),
        micros(100),
    );
}

fn median(work: impl Fn()) -> Duration {
    let mut times: Vec<_> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[TIMES / 2]
}
