//! Queries taken apart: every selector with what stands around it, and every label they name.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};

/// A selector where it stands.
#[derive(Debug)]
pub struct Selected {
    pub metric: String,
    pub matchers: Vec<Matcher>,
    /// The function that takes it as a range, if it is one.
    pub range_of: Option<String>,
}

/// What a query names.
#[derive(Debug, Default)]
pub struct Named {
    pub selectors: Vec<Selected>,
    /// The labels of `by`, `without`, `on`, `ignoring` and `group_left`.
    pub labels: Vec<String>,
    /// Labels that a function of the query makes.
    pub made: Vec<String>,
}

pub fn named(query: &str) -> Result<Named, String> {
    let expression = parser::parse(query)?;
    let mut named = Named::default();
    named.walk(&expression, None);
    Ok(named)
}

impl Selected {
    /// Whether it has `label=~"text"`.
    pub fn matches(&self, label: &str, text: &str) -> bool {
        self.matchers.iter().any(|matcher| {
            matcher.name == label && matches!(matcher.op, MatchOp::Re(_)) && matcher.value == text
        })
    }
}

impl Named {
    fn walk(&mut self, expression: &Expr, function: Option<&str>) {
        match expression {
            Expr::Aggregate(aggregate) => {
                self.modifier(aggregate.modifier.as_ref());
                self.walk(&aggregate.expr, None);
                if let Some(parameter) = &aggregate.param {
                    self.walk(parameter, None);
                }
            }
            Expr::Unary(unary) => self.walk(&unary.expr, None),
            Expr::Binary(binary) => {
                if let Some(modifier) = &binary.modifier {
                    self.modifier(modifier.matching.as_ref());
                    if let Some(labels) = modifier.card.labels() {
                        self.labels.extend(labels.labels.iter().cloned());
                    }
                }
                self.walk(&binary.lhs, None);
                self.walk(&binary.rhs, None);
            }
            Expr::Paren(paren) => self.walk(&paren.expr, function),
            Expr::Subquery(subquery) => self.walk(&subquery.expr, None),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
            Expr::VectorSelector(selector) => self.select(selector, None),
            Expr::MatrixSelector(range) => self.select(&range.vs, function.or(Some(""))),
            Expr::Call(call) => {
                let arguments = &call.args.args;
                if call.func.name == "label_replace"
                    && let Some(Expr::StringLiteral(made)) = arguments.get(1).map(AsRef::as_ref)
                {
                    self.made.push(made.val.clone());
                }
                for argument in arguments {
                    self.walk(argument, Some(call.func.name));
                }
            }
        }
    }

    fn modifier(&mut self, modifier: Option<&LabelModifier>) {
        if let Some(modifier) = modifier {
            let (LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) = modifier;
            self.labels.extend(labels.labels.iter().cloned());
        }
    }

    fn select(&mut self, selector: &VectorSelector, range_of: Option<&str>) {
        self.selectors.push(Selected {
            metric: selector.name.clone().unwrap_or_default(),
            matchers: selector.matchers.matchers.clone(),
            range_of: range_of.map(str::to_owned),
        });
    }
}
