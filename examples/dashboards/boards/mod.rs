//! The dashboards: what they ask, how they are laid out, and the text of their files.
//!
//! Owns everything that is the same on all of them: variables, annotations, links, the table of
//! what is withheld, and the grid. Help texts come from the catalogues of the program, so that a
//! panel cannot describe a metric that there is not.

mod overview;
mod panel;
mod pipeline;
mod query;
mod satisfaction;
mod segments;

use serde_json::{Value, json};

use panel::{Panel, datasource, mappings, table};
use tenure::measure::catalogue::measure;
use tenure::measure::report::WithheldReason;
use tenure::telemetry::catalogue::CATALOGUE;

/// The newest schema of the classic dashboards.
const SCHEMA_VERSION: u32 = 42;
const GRID_WIDTH: u32 = 24;
const TAG: &str = "tenure";

/// The name and the text of each file.
pub fn files() -> Vec<(&'static str, String)> {
    let boards = [
        ("overview.json", overview::board()),
        ("segments-and-cohorts.json", segments::board()),
        ("satisfaction.json", satisfaction::board()),
        ("pipeline.json", pipeline::board()),
    ];
    let text = |board: &Board| format!("{:#}\n", board.json());
    boards.map(|(name, board)| (name, text(&board))).into()
}

/// A dashboard: sections of panels, in reading order.
struct Board {
    uid: &'static str,
    title: &'static str,
    description: &'static str,
    /// The time range to begin with.
    from: &'static str,
    /// Variables beside those that every dashboard has.
    variables: Vec<Value>,
    sections: Vec<(&'static str, Vec<Panel>)>,
}

impl Board {
    fn json(&self) -> Value {
        let mut variables = variables();
        variables.extend(self.variables.iter().cloned());
        variables.push(tenure_url());
        json!({
            "annotations": {"list": annotations()},
            "description": self.description,
            "editable": false,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "id": null,
            "links": links(),
            "liveNow": false,
            "panels": self.panels(),
            "refresh": "30s",
            "schemaVersion": SCHEMA_VERSION,
            "tags": [TAG],
            "templating": {"list": variables},
            "time": {"from": self.from, "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "title": self.title,
            "uid": self.uid,
            "version": 1,
            "weekStart": "",
        })
    }

    /// Lays the panels of each section out from left to right, in lines as high as their panels.
    fn panels(&self) -> Vec<Value> {
        let mut grid = Grid::default();
        let last = ("Why is a panel empty?", vec![withheld()]);
        for (heading, panels) in self.sections.iter().chain([&last]) {
            grid.section(heading);
            for panel in panels {
                grid.place(panel.clone());
            }
        }
        grid.placed
    }
}

/// Where the next panel goes.
#[derive(Default)]
struct Grid {
    x: u32,
    y: u32,
    /// Of the line that is being filled.
    height: u32,
    placed: Vec<Value>,
}

impl Grid {
    fn next_line(&mut self) {
        self.x = 0;
        self.y += self.height;
        self.height = 0;
    }

    fn next_id(&self) -> u32 {
        u32::try_from(self.placed.len()).map_or(u32::MAX, |count| count + 1)
    }

    fn section(&mut self, heading: &str) {
        self.next_line();
        let row = json!({
            "collapsed": false,
            "gridPos": {"h": 1, "w": GRID_WIDTH, "x": 0, "y": self.y},
            "id": self.next_id(),
            "panels": [],
            "title": heading,
            "type": "row",
        });
        self.placed.push(row);
        self.y += 1;
    }

    fn place(&mut self, panel: Panel) {
        let (width, height) = panel.extent();
        if self.x + width > GRID_WIDTH {
            self.next_line();
        }
        let placed = panel.json(self.next_id(), self.x, self.y);
        self.placed.push(placed);
        self.x += width;
        self.height = self.height.max(height);
    }
}

/// In the link to an explanation: the number is that of the chosen period.
const OF_PERIOD: &str = "&period=${period}";

/// The one sentence of the catalogue for a metric.
fn help(name: &str) -> &'static str {
    let process = || CATALOGUE.iter().find(|instrument| instrument.name == name);
    measure(name)
        .map(|measure| measure.help)
        .or_else(|| process().map(|instrument| instrument.help))
        .unwrap_or_else(|| panic!("no catalogue has {name}"))
}

/// When panels are empty, in the words that follow "Empty".
mod empty {
    pub const MEASURE: &str = "while the measure is withheld; the table at the end says why.";
    pub const RATIO: &str = "when there is nothing to divide by, and while the measure is \
                             withheld; the table at the end says why.";
    pub const PROCESS: &str = "when no chosen instance was scraped.";
}

/// A query over label values, asked again whenever the time range changes.
fn query_variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "datasource": datasource(),
        "hide": 0,
        "includeAll": false,
        "label": label,
        "multi": false,
        "name": name,
        "options": [],
        "query": query,
        "refresh": 2,
        "regex": "",
        "sort": 7,
        "type": "query",
    })
}

/// A variable of which all values are taken unless the reader chooses.
fn of_targets(name: &str, label: &str, query: &str) -> Value {
    let mut variable = query_variable(name, label, query);
    variable["multi"] = json!(true);
    variable["includeAll"] = json!(true);
    variable["allValue"] = json!(".+");
    variable["current"] = json!({"text": ["All"], "value": ["$__all"]});
    variable
}

fn variables() -> Vec<Value> {
    let source = json!({
        "hide": 0,
        "includeAll": false,
        "label": "Data source",
        "multi": false,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    });
    let mut period = query_variable(
        "period",
        "Period",
        r#"label_values(tenure_customers_at_start{job=~"$job", instance=~"$instance"}, period)"#,
    );
    period["current"] = json!({"text": "30d", "value": "30d"});
    vec![
        source,
        of_targets("job", "Job", "label_values(tenure_build_info, job)"),
        of_targets(
            "instance",
            "Instance",
            r#"label_values(tenure_build_info{job=~"$job"}, instance)"#,
        ),
        period,
    ]
}

/// Where the console is, for the links to it: the reader's browser must reach it.
fn tenure_url() -> Value {
    let url = "http://localhost:9736";
    json!({
        "current": {"text": url, "value": url},
        "description": "Address of Tenure as your browser reaches it, without a slash at the end; \
                        links to the console and to the explanation of a number go there.",
        "hide": 0,
        "label": "Tenure",
        "name": "tenure_url",
        "options": [{"selected": true, "text": url, "value": url}],
        "query": url,
        "type": "textbox",
    })
}

fn annotations() -> Vec<Value> {
    let own = json!({
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": true,
        "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    });
    let of_prometheus = |name: &str, color: &str, expression: &str, title: &str, text: &str| {
        json!({
            "datasource": datasource(),
            "enable": true,
            "iconColor": color,
            "name": name,
            "target": {"expr": expression, "interval": "1m", "refId": "Anno"},
            "textFormat": text,
            "titleFormat": title,
        })
    };
    let mut restarts = of_prometheus(
        "Restarts",
        "purple",
        &format!("{} * 1000", query::of("process_start_time_seconds", "")),
        "Tenure started",
        "{{instance}}",
    );
    // The value is the instant of the start, so no start is missed between two points.
    restarts["useValueForTime"] = json!(true);
    vec![
        own,
        restarts,
        of_prometheus(
            "Alerts",
            "red",
            r#"ALERTS{alertname=~"Tenure.*", alertstate="firing"}"#,
            "{{alertname}}",
            "{{severity}} {{event}} {{period}}",
        ),
        of_prometheus(
            "Withheld",
            "orange",
            &format!(
                "max by (job, reason) ({})",
                query::of("tenure_measures_withheld", "")
            ),
            "Measures withheld",
            "{{reason}}",
        ),
    ]
}

fn links() -> Value {
    json!([
        {
            "asDropdown": false,
            "icon": "dashboard",
            "includeVars": true,
            "keepTime": true,
            "tags": [TAG],
            "targetBlank": false,
            "title": "Tenure",
            "tooltip": "",
            "type": "dashboards",
            "url": "",
        },
        {
            "asDropdown": false,
            "icon": "external link",
            "includeVars": false,
            "keepTime": false,
            "tags": [],
            "targetBlank": true,
            "title": "Console",
            "tooltip": "Tenure itself, where each number explains itself",
            "type": "link",
            "url": "${tenure_url:raw}/#period=${period}",
        },
    ])
}

/// The table of what is withheld, and why; it is never empty while there is a report.
fn withheld() -> Panel {
    let reasons = WithheldReason::ALL.map(|reason| (reason.name(), what_to_do(reason)));
    let texts: Vec<(&str, &str, Option<&str>)> = reasons
        .iter()
        .map(|(name, text)| (*name, text.as_str(), None))
        .collect();
    let withheld = query::of("tenure_measures_withheld", "");
    let report = query::of("tenure_report_timestamp_seconds", "");
    table(
        "Withheld measures",
        "The measures that are not published because they could be false, each with the reason \
         and what to do about it. A measure may be withheld for some of its periods or cohorts \
         only. What is not listed and yet absent has nothing to divide by, or does not occur.",
        "before the first report, and when no chosen instance was scraped.",
    )
    .size(GRID_WIDTH, 8)
    .labels(&["reason", "measure"])
    .column(
        "Withheld",
        panel::Unit::Count,
        &format!(
            "max by (job, measure, reason) ({withheld}) or on (job) \
             label_replace(max by (job) ({report}) * 0, \"reason\", \"nothing\", \"\", \"\")"
        ),
    )
    .where_named(
        "reason",
        vec![
            (
                "mappings",
                mappings(&[texts, vec![("nothing", "nothing is withheld", None)]].concat()),
            ),
            ("custom.width", json!(900)),
        ],
    )
    .where_named("measure", vec![("custom.width", json!(380))])
}

/// The reason with what ends it.
fn what_to_do(reason: WithheldReason) -> String {
    let text = match reason {
        WithheldReason::CatchingUp => {
            "the report is older than max_staleness. Wait until the topic is read; look at the lag \
             in the pipeline dashboard."
        }
        WithheldReason::Incomplete => {
            "a topic has another number of partitions than before. Restart, so that all are read."
        }
        WithheldReason::Degraded => {
            "a part of the history was lost. The log says which; repair the topic and restart."
        }
        WithheldReason::SplitCustomers => {
            "the same customers are in several partitions. Key the records by the customer id, \
             with the same partitioner in every producer."
        }
        WithheldReason::NoChurnSource => {
            "nobody could be seen leaving. Set inactivity_timeout, send churn events, or say \
             churn_events: complete."
        }
        WithheldReason::BaseIncomplete => {
            "the period begins before every customer is known. Set customer_base_complete_since, \
             or inactivity_timeout and wait."
        }
        WithheldReason::HistoryTooShort => {
            "what it is compared with lies before the kept history. Raise history, or leave out \
             the longest periods or some cohorts."
        }
    };
    format!("{}: {text}", reason.name())
}
