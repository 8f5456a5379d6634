//! The QAPI schema, as far as questions about features need it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What QEMU's monitor commands and events take and return (`query-qmp-schema`), without the
/// order and the descriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema(BTreeMap<String, Entity>);

/// A command, an event or a type. Names are short because there are a thousand of these on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entity {
    /// Its own features.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    features: Vec<String>,
    /// Members of an object, and `arg-type` and `ret-type` of a command.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    members: BTreeMap<String, Member>,
    /// Variants of an object, by the tag's value.
    #[serde(rename = "v", default, skip_serializing_if = "BTreeMap::is_empty")]
    variants: BTreeMap<String, String>,
    /// Values of an enumeration.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    /// The type of an array's elements, or the types that an alternate may have.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    through: Vec<String>,
}

/// A member's type and its features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member(String, #[serde(default, skip_serializing_if = "Vec::is_empty")] Vec<String>);

impl Schema {
    /// Reads the answer to `query-qmp-schema`; `None` if it is something else.
    pub(super) fn from_answer(answer: &Value) -> Option<Self> {
        let named = |entity: &Value| Some((entity["name"].as_str()?.to_owned(), Entity::from_answer(entity)));
        answer.as_array()?.iter().map(named).collect::<Option<_>>().map(Self)
    }

    /// Whether there is something at this path. Paths are written as libvirt writes them: the name
    /// of a command or event, then `arg-type` or `ret-type`, then members; `+name` is a variant,
    /// `^name` a value of an enumeration, `$name` a feature. Arrays and alternates need no step of
    /// their own.
    ///
    /// ```text
    /// blockdev-reopen
    /// blockdev-add/arg-type/+qcow2/data-file
    /// blockdev-add/arg-type/discard/^unmap
    /// device_add/$json-cli
    /// ```
    pub fn has(&self, path: &str) -> bool {
        let mut steps = path.split('/');
        let Some(entity) = steps.next().and_then(|name| self.0.get(name)) else { return false };
        self.leads_on(entity, &entity.features, &steps.collect::<Vec<_>>())
    }

    fn leads_on(&self, entity: &Entity, features: &[String], steps: &[&str]) -> bool {
        let Some((step, rest)) = steps.split_first() else { return true };
        let has = |names: &[String], name: &str| rest.is_empty() && names.iter().any(|known| known == name);
        if let Some(feature) = step.strip_prefix('$') {
            return has(features, feature);
        }
        let here = match step.split_at_checked(1) {
            Some(("^", value)) => has(&entity.values, value),
            Some(("+", variant)) => {
                entity.variants.get(variant).is_some_and(|name| self.type_leads_on(name, &[], rest))
            }
            _ => {
                let member = entity.members.get(*step);
                member.is_some_and(|Member(name, features)| self.type_leads_on(name, features, rest))
            }
        };
        here || entity.through.iter().any(|name| self.type_leads_on(name, &[], steps))
    }

    fn type_leads_on(&self, name: &str, features: &[String], steps: &[&str]) -> bool {
        let Some(entity) = self.0.get(name) else { return steps.is_empty() };
        if features.is_empty() {
            return self.leads_on(entity, &entity.features, steps);
        }
        let all: Vec<_> = entity.features.iter().chain(features).cloned().collect();
        self.leads_on(entity, &all, steps)
    }
}

impl Entity {
    fn from_answer(answer: &Value) -> Self {
        let array = |key: &str| answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut entity = Self { features: strings(&answer["features"]), ..Self::default() };
        match answer["meta-type"].as_str() {
            Some("command" | "event") => {
                for key in ["arg-type", "ret-type"] {
                    if let Some(name) = text(&answer[key]) {
                        entity.members.insert(key.to_owned(), Member(name, Vec::new()));
                    }
                }
            }
            Some("object") => {
                entity.members = array("members").iter().filter_map(named_member).collect();
                let variant = |variant: &Value| Some((text(&variant["case"])?, text(&variant["type"])?));
                entity.variants = array("variants").iter().filter_map(variant).collect();
            }
            Some("enum") => entity.values = strings(&answer["values"]),
            Some("array") => entity.through = text(&answer["element-type"]).into_iter().collect(),
            Some("alternate") => {
                entity.through = array("members").iter().filter_map(|member| text(&member["type"])).collect();
            }
            _ => {}
        }
        entity
    }
}

fn named_member(member: &Value) -> Option<(String, Member)> {
    let kind = member["type"].as_str()?.to_owned();
    Some((member["name"].as_str()?.to_owned(), Member(kind, strings(&member["features"]))))
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}
