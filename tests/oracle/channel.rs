//! Channels: the answers of each window by the channel on which the survey was answered.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact, Survey};
use super::page::Page;
use super::period::Interval;
use super::satisfaction::Groups;
use super::settings::Settings;

pub fn publish(
    facts: &[Fact],
    periods: &[(String, Interval)],
    settings: &Settings,
    page: &mut Page,
) {
    let shown = shown(facts, periods, settings);
    for (name, interval) in periods {
        let mut by_channel: BTreeMap<&str, Vec<(Survey, i64)>> = BTreeMap::new();
        for (channel, survey, score) in answers(facts, *interval) {
            let label = if shown.contains(channel) {
                channel
            } else {
                "other"
            };
            by_channel.entry(label).or_default().push((survey, score));
        }
        for (channel, answers) in by_channel {
            publish_channel(name, channel, &answers, page);
        }
    }
}

/// Channel, survey and score of every answer in the window.
fn answers(facts: &[Fact], interval: Interval) -> Vec<(&str, Survey, i64)> {
    let mut answers = Vec::new();
    for fact in facts {
        if let Body::Survey {
            survey,
            score,
            channel,
        } = &fact.body
            && interval.contains(fact.at)
        {
            let channel = channel.as_deref().unwrap_or("unspecified");
            answers.push((channel, *survey, *score));
        }
    }
    answers
}

fn publish_channel(name: &str, channel: &str, answers: &[(Survey, i64)], page: &mut Page) {
    let labels = [("period", name), ("channel", channel)];
    let of = |wanted: Survey| -> Vec<i64> {
        let those = answers.iter().filter(|(survey, _)| *survey == wanted);
        those.map(|(_, score)| *score).collect()
    };
    for survey in [Survey::Nps, Survey::Csat, Survey::Ces] {
        let labels = [
            ("period", name),
            ("survey", survey.name()),
            ("channel", channel),
        ];
        page.count("tenure_channel_responses", &labels, of(survey).len());
    }

    let groups = Groups::of(&of(Survey::Nps));
    for (group, count) in groups.counts() {
        if count > 0 {
            let labels = [("period", name), ("channel", channel), ("group", group)];
            page.count("tenure_channel_nps_responses", &labels, count);
        }
    }
    if let Some(score) = groups.score() {
        page.put("tenure_channel_nps_response_score", &labels, score);
    }

    let ratings = of(Survey::Csat);
    let satisfied = ratings.iter().filter(|score| **score >= 4).count();
    page.ratio(
        "tenure_channel_csat_ratio",
        &labels,
        satisfied as f64,
        ratings.len(),
    );

    let efforts = of(Survey::Ces);
    let sum: i64 = efforts.iter().sum();
    page.ratio(
        "tenure_channel_ces_mean_score",
        &labels,
        sum as f64,
        efforts.len(),
    );
}

/// The channels that are label values: the same ones in every period of the page.
///
/// Either those on the allow-list, or those of most answers summed over all periods, ties by text;
/// and always `unspecified`. What is literally `other` takes no place.
fn shown(facts: &[Fact], periods: &[(String, Interval)], settings: &Settings) -> BTreeSet<String> {
    let mut shown = BTreeSet::from(["unspecified".to_owned()]);
    if !settings.channels.is_empty() {
        shown.extend(settings.channels.iter().cloned());
        return shown;
    }

    let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, interval) in periods {
        for (channel, _, _) in answers(facts, *interval) {
            if channel != "unspecified" && channel != "other" {
                *frequency.entry(channel).or_default() += 1;
            }
        }
    }
    let mut ranked: Vec<(&str, usize)> = frequency.into_iter().collect();
    ranked.sort_by(|(text, count), (other_text, other_count)| {
        other_count.cmp(count).then(text.cmp(other_text))
    });
    let most = ranked.into_iter().take(settings.max_label_values);
    shown.extend(most.map(|(text, _)| text.to_owned()));
    shown
}
