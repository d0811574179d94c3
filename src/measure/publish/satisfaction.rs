//! The families of satisfaction, and the scales of the surveys.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::event::Survey;
use crate::ledger::settings::CesScale;
use crate::measure::catalogue::position;
use crate::measure::partial::PeriodSums;
use crate::measure::publish::labels::Shown;
use crate::measure::publish::{OfPeriod, Page, Put};
use crate::measure::question::Window;
use crate::measure::report::Label;
use crate::measure::satisfaction::{Answers, SatisfactionSums};
use crate::measure::scores::{
    Groups, low_effort, nps, nps_standard_error, nps_with_bounds, satisfied, share_with_bounds,
    sum_of_ratings,
};

impl Page<'_> {
    pub(super) fn satisfaction(
        &mut self,
        window: &Window,
        sums: &PeriodSums,
        channels: &Shown<'_>,
    ) {
        let scale = self.context.ces;
        let at_end = sums.retention.at_end();
        let sums = &sums.satisfaction;
        let mut page = self.of(window);
        page.nps(sums);
        page.csat(&sums.answers.csat);
        page.ces(&sums.answers.ces, scale);
        page.channels(sums, channels);
        for (survey, active) in Survey::ALL.into_iter().zip(sums.active_respondents) {
            let labels = [survey.name().into()];
            page.ratio("tenure_survey_customers_ratio", &labels, active, at_end);
        }
    }
}

impl OfPeriod<'_, '_> {
    fn nps(&mut self, sums: &SatisfactionSums) {
        let customers = sums.nps_customers;
        for (group, count) in customers.by_group() {
            self.count("tenure_nps_customers", &[group.name().into()], count);
        }
        if let Some(score) = nps_with_bounds(customers) {
            let parts = customers.parts();
            self.put("tenure_nps_score", &[], score.value, &parts);
            self.put("tenure_nps_score_lower", &[], score.lower, &parts);
            self.put("tenure_nps_score_upper", &[], score.upper, &parts);
        }
        for (group, count) in sums.answers.nps.by_group() {
            self.count("tenure_nps_responses", &[group.name().into()], count);
        }
        self.score("tenure_nps_response_score", &[], sums.answers.nps);
        self.change(customers, sums.nps_baseline);
    }

    fn score(&mut self, name: &str, labels: &[Label], groups: Groups) {
        if let Some(score) = nps(groups) {
            self.put(name, labels, score, &groups.parts());
        }
    }

    fn change(&mut self, groups: Groups, baseline: Groups) {
        let (Some(score), Some(before)) = (nps(groups), nps(baseline)) else {
            return;
        };
        let parts = [score, before];
        self.put("tenure_nps_change_score", &[], score - before, &parts);
        let errors = [groups, baseline].map(nps_standard_error);
        let error = errors[0].hypot(errors[1]);
        self.put("tenure_nps_change_standard_error", &[], error, &errors);
    }

    fn csat(&mut self, ratings: &[u64; 5]) {
        for (rating, count) in (1..=5).zip(ratings) {
            self.count("tenure_csat_responses", &[rating_label(rating)], *count);
        }
        let (content, answers) = (satisfied(ratings), ratings.iter().sum());
        if let Some(share) = share_with_bounds(content, answers) {
            let parts = [content as f64, answers as f64];
            self.put("tenure_csat_ratio", &[], share.value, &parts);
            self.put("tenure_csat_ratio_lower", &[], share.lower, &parts);
            self.put("tenure_csat_ratio_upper", &[], share.upper, &parts);
        }
        let sum = sum_of_ratings(ratings);
        self.ratio("tenure_csat_mean_score", &[], sum, answers);
    }

    fn ces(&mut self, ratings: &[u64; 7], scale: CesScale) {
        for (rating, count) in (1..=scale.max.rating()).zip(ratings) {
            self.count("tenure_ces_responses", &[rating_label(rating)], *count);
        }
        let answers = ratings.iter().sum();
        let sum = sum_of_ratings(ratings);
        self.ratio("tenure_ces_mean_score", &[], sum, answers);
        let low = low_effort(ratings, scale);
        self.ratio("tenure_ces_low_effort_ratio", &[], low, answers);
    }

    fn channels(&mut self, sums: &SatisfactionSums, shown: &Shown<'_>) {
        let mut channels: BTreeMap<Label, Answers> = BTreeMap::new();
        for (channel, answers) in &sums.channels {
            channels
                .entry(shown.label(channel))
                .or_default()
                .merge(answers);
        }
        for survey in Survey::ALL {
            for (channel, answers) in &channels {
                let labels = [survey.name().into(), Cow::clone(channel)];
                self.count("tenure_channel_responses", &labels, answers.of(survey));
            }
        }
        for (channel, answers) in &channels {
            self.channel(channel, answers);
        }
    }

    fn channel(&mut self, channel: &Label, answers: &Answers) {
        let label = [Cow::clone(channel)];
        let groups = answers.nps.by_group().into_iter();
        for (group, count) in groups.filter(|(_, count)| *count > 0) {
            let labels = [Cow::clone(channel), group.name().into()];
            self.count("tenure_channel_nps_responses", &labels, count);
        }
        self.score("tenure_channel_nps_response_score", &label, answers.nps);
        let content = satisfied(&answers.csat);
        let rated = answers.of(Survey::Csat);
        self.ratio("tenure_channel_csat_ratio", &label, content, rated);
        let sum = sum_of_ratings(&answers.ces);
        let rated = answers.of(Survey::Ces);
        self.ratio("tenure_channel_ces_mean_score", &label, sum, rated);
    }
}

/// The scale of each survey: a fact about the configuration, which is never withheld.
pub(super) fn scales(page: &mut Put<'_>, ces: CesScale) {
    let Some(at) = position("tenure_survey_scale_info") else {
        return;
    };
    for survey in Survey::ALL {
        let (min, max, better) = match survey {
            Survey::Nps => (0, 10, "high"),
            Survey::Csat => (1, 5, "high"),
            Survey::Ces => (1, ces.max.rating(), ces.better.name()),
        };
        let labels = vec![
            survey.name().into(),
            rating_label(min),
            rating_label(max),
            better.into(),
        ];
        page.put(at, labels, 1.0, &[]);
    }
}

fn rating_label(rating: u8) -> Label {
    Cow::Owned(rating.to_string())
}
