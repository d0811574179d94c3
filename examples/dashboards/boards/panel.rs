//! Panels in the words of their readers, and their JSON.
//!
//! Owns how each kind of panel looks, so that the dashboards look alike. Promises a title, a
//! description that says what it shows and when it is empty, and a unit. Deliberately knows no
//! metric.

use serde_json::{Map, Value, json};

/// The data source that the reader chose.
pub fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// One panel without its place.
#[derive(Debug, Clone)]
pub struct Panel {
    kind: Kind,
    title: String,
    description: String,
    unit: Unit,
    width: u32,
    height: u32,
    targets: Vec<Value>,
    defaults: Map<String, Value>,
    custom: Map<String, Value>,
    options: Map<String, Value>,
    overrides: Vec<Value>,
    transformations: Vec<Value>,
    /// Of a table: the heading of the column that each query fills.
    headings: Vec<String>,
    /// Of a table: its labels in order, if they are known.
    labels: Vec<String>,
    /// Of a table: labels that are not shown.
    hidden: Vec<String>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 0 to 1, shown as per cent.
    Share,
    /// A number of things.
    Count,
    /// A score or an amount, with its decimals.
    Number,
    Seconds,
    Bytes,
    BytesPerSecond,
    PerSecond,
    /// Milliseconds since 1970.
    Instant,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Share => "percentunit",
            Self::Count => "short",
            Self::Number => "none",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::PerSecond => "cps",
            Self::Instant => "dateTimeAsIso",
        }
    }

    /// How many digits behind the point, where Grafana's own choice would be too many.
    const fn decimals(self) -> Option<u32> {
        match self {
            Self::Share | Self::Number => Some(1),
            Self::Count
            | Self::Seconds
            | Self::Bytes
            | Self::BytesPerSecond
            | Self::PerSecond
            | Self::Instant => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stat,
    TimeSeries,
    Table,
    BarGauge,
    BarChart,
    HeatMap,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::TimeSeries => "timeseries",
            Self::Table => "table",
            Self::BarGauge => "bargauge",
            Self::BarChart => "barchart",
            Self::HeatMap => "heatmap",
        }
    }
}

/// A few numbers, large, each with its past.
pub fn stat(title: &str, unit: Unit, what: &str, empty: &str) -> Panel {
    Panel::new(Kind::Stat, title, unit, what, empty).size(4, 4)
}

/// Lines over time.
pub fn lines(title: &str, unit: Unit, what: &str, empty: &str) -> Panel {
    Panel::new(Kind::TimeSeries, title, unit, what, empty).size(12, 8)
}

/// Rows of the present, one for each combination of labels.
pub fn table(title: &str, what: &str, empty: &str) -> Panel {
    Panel::new(Kind::Table, title, Unit::Count, what, empty).size(12, 8)
}

/// Bars of the present, one for each series.
pub fn bars(title: &str, unit: Unit, what: &str, empty: &str) -> Panel {
    Panel::new(Kind::BarGauge, title, unit, what, empty).size(12, 8)
}

/// Columns of the present, along the values of one label.
pub fn columns(title: &str, unit: Unit, along: &str, what: &str, empty: &str) -> Panel {
    Panel::new(Kind::BarChart, title, unit, what, empty)
        .size(12, 8)
        .option("xField", json!(along))
}

/// Buckets of a histogram over time.
pub fn heat_map(title: &str, unit: Unit, what: &str, empty: &str) -> Panel {
    Panel::new(Kind::HeatMap, title, unit, what, empty).size(12, 8)
}

impl Panel {
    fn new(kind: Kind, title: &str, unit: Unit, what: &str, empty: &str) -> Self {
        Self {
            kind,
            title: title.to_owned(),
            description: format!("{what}\n\nEmpty {empty}"),
            unit,
            width: 0,
            height: 0,
            targets: Vec::new(),
            defaults: Map::new(),
            custom: Map::new(),
            options: Map::new(),
            overrides: Vec::new(),
            transformations: Vec::new(),
            headings: Vec::new(),
            labels: Vec::new(),
            hidden: HIDDEN.map(str::to_owned).into(),
        }
    }

    /// Columns of 24, and rows.
    pub const fn size(mut self, width: u32, height: u32) -> Self {
        self.width = width;
        self.height = height;
        self
    }

    pub const fn extent(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// A query, and how its series are called; `__auto` for the labels that tell them apart.
    pub fn query(mut self, legend: &str, expression: &str) -> Self {
        let now = !matches!(self.kind, Kind::Stat | Kind::TimeSeries | Kind::HeatMap);
        let format = match self.kind {
            Kind::Table | Kind::BarChart => "table",
            Kind::HeatMap => "heatmap",
            Kind::Stat | Kind::TimeSeries | Kind::BarGauge => "time_series",
        };
        self.targets.push(json!({
            "datasource": datasource(),
            "editorMode": "code",
            "expr": expression,
            "format": format,
            "instant": now,
            "legendFormat": legend,
            "range": !now,
            "refId": self.next_id(),
        }));
        self
    }

    fn next_id(&self) -> String {
        let letter = u8::try_from(self.targets.len()).unwrap_or(u8::MAX);
        char::from(b'A'.saturating_add(letter)).to_string()
    }

    /// A column of a table: its heading, its unit, and the query that fills it. Rows of several
    /// columns are those with the same labels.
    pub fn column(mut self, heading: &str, unit: Unit, expression: &str) -> Self {
        self = self.query("", expression);
        self.overrides.push(over(
            heading,
            vec![
                ("unit", json!(unit.name())),
                ("decimals", json!(unit.decimals())),
            ],
        ));
        self.headings.push(heading.to_owned());
        self
    }

    pub fn option(mut self, name: &str, value: Value) -> Self {
        self.options.insert(name.to_owned(), value);
        self
    }

    /// A default of the fields, such as `min`.
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.defaults.insert(name.to_owned(), value);
        self
    }

    /// More or fewer digits behind the point than the unit usually has.
    pub fn decimals(self, decimals: u32) -> Self {
        self.field("decimals", json!(decimals))
    }

    /// A default of the fields that only this kind of panel has, such as `fillOpacity`.
    pub fn custom(mut self, name: &str, value: Value) -> Self {
        self.custom.insert(name.to_owned(), value);
        self
    }

    /// What is different for the series or the column of that name.
    pub fn where_named(mut self, name: &str, properties: Vec<(&str, Value)>) -> Self {
        self.overrides.push(over(name, properties));
        self
    }

    pub fn transform(mut self, id: &str, options: Value) -> Self {
        self.transformations
            .push(json!({"id": id, "options": options}));
        self
    }

    /// The labels of a table in the order of their columns, before the numbers. Grafana puts what
    /// it is told no place of last, so a table of unknown labels is left in its natural order:
    /// labels by name, then the numbers.
    pub fn labels(mut self, labels: &[&str]) -> Self {
        self.labels = labels.iter().map(|&label| label.to_owned()).collect();
        self
    }

    /// Hides a label that is the same in all rows of a table.
    pub fn without(mut self, label: &str) -> Self {
        self.hidden.push(label.to_owned());
        self
    }

    /// A range from 0 to 1, or whatever the number can take.
    pub fn between(self, min: f64, max: f64) -> Self {
        self.field("min", json!(min)).field("max", json!(max))
    }

    pub fn above_zero(self) -> Self {
        self.field("min", json!(0))
    }

    /// Areas on top of each other; in per cent of their sum if `share`.
    pub fn stacked(self, share: bool) -> Self {
        let mode = if share { "percent" } else { "normal" };
        self.custom("stacking", json!({"group": "A", "mode": mode}))
            .custom("fillOpacity", json!(60))
            .custom("lineWidth", json!(0))
    }

    /// The area between two series of these names is the uncertainty of a third.
    pub fn band(self, lower: &str, upper: &str) -> Self {
        let faint = || json!({"mode": "fixed", "fixedColor": "#8ab8ff"});
        let edge = |fill: Option<&str>| {
            let mut properties = vec![
                ("color", faint()),
                ("custom.lineWidth", json!(0)),
                ("custom.fillOpacity", json!(0)),
            ];
            if let Some(lower) = fill {
                properties.push(("custom.fillBelowTo", json!(lower)));
                properties.push(("custom.fillOpacity", json!(18)));
            }
            properties
        };
        self.where_named(lower, edge(None))
            .where_named(upper, edge(Some(lower)))
    }

    /// A series of that name is dashed.
    pub fn dashed(self, name: &str) -> Self {
        let style = json!({"fill": "dash", "dash": [8, 6]});
        self.where_named(
            name,
            vec![
                ("custom.lineStyle", style),
                ("custom.fillOpacity", json!(0)),
            ],
        )
    }

    /// Colours from a value on; the first is that of everything below.
    pub fn thresholds(mut self, below: &str, steps: &[(f64, &str)]) -> Self {
        let first = json!({"color": below, "value": null});
        let others = steps
            .iter()
            .map(|(value, color)| json!({"color": color, "value": value}));
        let steps: Vec<Value> = std::iter::once(first).chain(others).collect();
        self.defaults
            .insert("color".to_owned(), json!({"mode": "thresholds"}));
        self.field("thresholds", json!({"mode": "absolute", "steps": steps}))
    }

    /// Texts in the place of values.
    pub fn texts(self, texts: &[(&str, &str, Option<&str>)]) -> Self {
        self.field("mappings", mappings(texts))
    }

    /// A click on the number leads to its explanation; labels beside the name choose it, as in
    /// `&period=30d`.
    pub fn explained(self, metric: &str, labels: &str) -> Self {
        self.field("links", links(metric, labels))
    }

    pub fn links_of_column(self, heading: &str, metric: &str, labels: &str) -> Self {
        self.where_named(heading, vec![("links", links(metric, labels))])
    }

    /// The JSON at a place.
    pub fn json(mut self, id: u32, x: u32, y: u32) -> Value {
        self.finish();
        let mut defaults = Map::from_iter([
            ("unit".to_owned(), json!(self.unit.name())),
            ("noValue".to_owned(), json!("no number")),
            ("color".to_owned(), json!({"mode": "palette-classic"})),
        ]);
        if let Some(decimals) = self.unit.decimals() {
            defaults.insert("decimals".to_owned(), json!(decimals));
        }
        defaults.append(&mut self.defaults);
        if !self.custom.is_empty() {
            defaults.insert("custom".to_owned(), Value::Object(self.custom));
        }
        json!({
            "datasource": datasource(),
            "description": self.description,
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides},
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": id,
            "options": self.options,
            "targets": self.targets,
            "title": self.title,
            "transformations": self.transformations,
            "type": self.kind.name(),
        })
    }

    /// Adds what every panel of its kind has, unless it was said otherwise.
    fn finish(&mut self) {
        let (options, custom) = match self.kind {
            Kind::Stat => (stat_options(), json!({})),
            Kind::TimeSeries => (lines_options(), lines_custom()),
            Kind::Table => (
                json!({"cellHeight": "sm", "frameIndex": 0, "showHeader": true}),
                json!({"align": "auto", "cellOptions": {"type": "auto"}, "inspect": false}),
            ),
            Kind::BarGauge => (bars_options(), json!({})),
            Kind::BarChart => (
                columns_options(),
                json!({"fillOpacity": 80, "lineWidth": 0}),
            ),
            Kind::HeatMap => (heat_map_options(self.unit), json!({})),
        };
        fill(&mut self.options, options);
        fill(&mut self.custom, custom);
        if !self.headings.is_empty() {
            self.organize();
        }
    }

    /// Joins the queries of a table, hides what says nothing, and orders the columns.
    fn organize(&mut self) {
        let several = self.headings.len() > 1;
        if several {
            let merge = json!({"id": "merge", "options": {}});
            self.transformations.insert(0, merge);
        }
        let fields: Vec<String> = self
            .targets
            .iter()
            .map(|target| match target["refId"].as_str() {
                Some(id) if several => format!("Value #{id}"),
                _ => "Value".to_owned(),
            })
            .collect();
        let renamed: Map<String, Value> = fields
            .iter()
            .zip(&self.headings)
            .map(|(field, heading)| (field.clone(), json!(heading)))
            .collect();
        let order: Map<String, Value> = if self.labels.is_empty() {
            Map::new()
        } else {
            let last = "job".to_owned();
            let columns = self.labels.iter().chain(&fields).chain([&last]);
            let places = columns.enumerate();
            places
                .map(|(place, name)| (name.clone(), json!(place)))
                .collect()
        };
        let hidden: Map<String, Value> = self
            .hidden
            .iter()
            .map(|label| (label.clone(), json!(true)))
            .collect();
        self.transformations.push(json!({
            "id": "organize",
            "options": {
                "excludeByName": hidden,
                "indexByName": order,
                "renameByName": renamed,
            },
        }));
    }
}

/// Labels of a target that are alike in all rows; a label that is not there is no mistake.
const HIDDEN: [&str; 7] = [
    "Time",
    "__name__",
    "container",
    "endpoint",
    "namespace",
    "prometheus",
    "service",
];

fn fill(given: &mut Map<String, Value>, usual: Value) {
    if let Value::Object(usual) = usual {
        for (name, value) in usual {
            given.entry(name).or_insert(value);
        }
    }
}

fn over(name: &str, properties: Vec<(&str, Value)>) -> Value {
    let properties: Vec<Value> = properties
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(id, value)| json!({"id": id, "value": value}))
        .collect();
    json!({"matcher": {"id": "byName", "options": name}, "properties": properties})
}

/// Texts in the place of values, each with its color if it has one.
pub fn mappings(texts: &[(&str, &str, Option<&str>)]) -> Value {
    let options: Map<String, Value> = texts
        .iter()
        .enumerate()
        .map(|(index, (value, text, color))| {
            let mut result = json!({"index": index, "text": text});
            if let Some(color) = color {
                result["color"] = json!(color);
            }
            ((*value).to_owned(), result)
        })
        .collect();
    json!([{"type": "value", "options": options}])
}

fn links(metric: &str, labels: &str) -> Value {
    let url = format!("${{tenure_url:raw}}/#explain={metric}{labels}");
    json!([{"title": "Explain this number", "url": url, "targetBlank": true}])
}

fn reduced() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}

fn stat_options() -> Value {
    json!({
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": reduced(),
        "showPercentChange": false,
        "textMode": "auto",
        "wideLayout": true,
    })
}

fn bars_options() -> Value {
    json!({
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false},
        "maxVizHeight": 300,
        "minVizHeight": 12,
        "minVizWidth": 8,
        "namePlacement": "left",
        "orientation": "horizontal",
        "reduceOptions": reduced(),
        "showUnfilled": true,
        "sizing": "auto",
        "valueMode": "text",
    })
}

fn columns_options() -> Value {
    json!({
        "barRadius": 0,
        "barWidth": 0.9,
        "fullHighlight": false,
        "groupWidth": 0.7,
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false},
        "orientation": "auto",
        "showValue": "auto",
        "stacking": "none",
        "tooltip": {"mode": "single", "sort": "none"},
        "xTickLabelMaxLength": 0,
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 0,
    })
}

fn lines_options() -> Value {
    json!({
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true},
        "tooltip": {"mode": "multi", "sort": "desc"},
    })
}

/// Gaps of up to ten minutes are bridged, so that only what lasts is seen as a gap.
fn lines_custom() -> Value {
    json!({
        "drawStyle": "line",
        "fillOpacity": 0,
        "lineWidth": 2,
        "showPoints": "auto",
        "spanNulls": 600_000,
    })
}

fn heat_map_options(unit: Unit) -> Value {
    json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "exponent": 0.5,
            "fill": "blue",
            "mode": "scheme",
            "reverse": false,
            "scale": "exponential",
            "scheme": "Blues",
            "steps": 64,
        },
        "exemplars": {"color": "orange"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": true},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": false},
        "yAxis": {"axisPlacement": "left", "unit": unit.name()},
    })
}
