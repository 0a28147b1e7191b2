use serde_json::{Value, json};

use super::Rules;

/// The rules of a schema, which must be right.
fn rules(schema: Value) -> Rules {
    let mut causes = Vec::new();
    let rules = Rules::compile(&schema, "", &mut causes);
    assert!(causes.is_empty(), "{causes:?}");
    rules
}

/// A schema with one rule over a few fields.
fn schema(rule: &str) -> Value {
    json!({
        "type": "object",
        "properties": {
            "n": { "type": "integer" },
            "f": { "type": "number" },
            "s": { "type": "string" },
            "when": { "type": "string", "format": "date-time" },
            "lasts": { "type": "string", "format": "duration" },
            "list": { "type": "array", "items": { "type": "integer" } },
            "map": { "type": "object", "additionalProperties": { "type": "string" } },
            "either": { "x-kubernetes-int-or-string": true },
            "a-b.c/d": { "type": "string" },
            "namespace": { "type": "string" },
        },
        "x-kubernetes-validations": [{ "rule": rule }],
    })
}

#[test]
fn rules_see_values_as_their_schema_says() {
    let value = json!({
        "n": 3, "f": 2, "s": "abc", "when": "2026-01-02T03:04:05Z", "lasts": "90m",
        "list": [1, 2, 3], "map": { "a b": "1" }, "either": "50%", "a-b.c/d": "odd", "namespace": "shop",
    });
    for rule in [
        "self.n == 3 && self.f == 2.0 && self.f < 3.0",
        "self.n < 3.5",
        "self.when > timestamp('2025-01-01T00:00:00Z') && self.when.getFullYear() == 2026",
        "self.lasts == duration('1h30m')",
        "self.list.all(x, x > 0) && self.list.exists(x, x == 2) && 3 in self.list",
        "self.list.map(x, x * 2).sum() == 12 && self.list.max() == 3 && self.list.min() == 1",
        "self.list[0] == 1 && size(self.list) == 3 && self.list + [4] == [1, 2, 3, 4]",
        "self.map['a b'] == '1' && self.map.all(k, k.contains(' '))",
        "type(self.either) == int ? self.either < 10 : self.either.endsWith('%')",
        "self.a__dash__b__dot__c__slash__d == 'odd' && self.__namespace__ == 'shop'",
        "has(self.s) && !has(self.map.nothing)",
        "self.?s.orValue('') == 'abc' && !self.map[?'x'].hasValue()",
        "(self.n == 3 ? 'three' : 'other') == 'three'",
        "[[1], [2, 3]].exists(inner, inner.exists(x, x == self.n))",
        "self.list.filter(x, x % 2 == 1).size() == 2",
        "true || self.list[9] == 1",
    ] {
        let refused = rules(schema(rule)).violations(&value, None);
        assert!(refused.is_empty(), "{rule}: {refused:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_definition() {
    for (rule, said) in [
        ("self.x == 1", "undefined field 'x'"),
        (
            "self.n == 's'",
            "found no matching overload for '_==_' applied to '(int, string)'",
        ),
        ("self.list.all(x, x == 's')", "applied to '(int, string)'"),
        (
            "self.n.startsWith('a')",
            "found no matching overload for 'startsWith' applied to 'int.(string)'",
        ),
        ("self.map.x == 1", "applied to '(string, int)'"),
        ("self.n.all(x, true)", "cannot be range of a comprehension"),
        (
            "authorizer.path('/').check('get').allowed()",
            "undeclared reference to 'authorizer'",
        ),
        ("quantity('1') == '1'", "applied to '(quantity, string)'"),
        ("Message{a: 1} == self", "undeclared reference to 'Message'"),
        ("self.n", "must evaluate to a bool"),
        ("self.s.matches('[')", "invalid matches argument"),
        ("1 +", "Syntax error"),
    ] {
        let mut causes = Vec::new();
        Rules::compile(&schema(rule), "", &mut causes);
        assert!(
            causes.iter().any(|cause| cause.message.contains(said)),
            "{rule}: {causes:?}"
        );
    }
    let deep = format!("{}true{}", "(".repeat(5000), ")".repeat(5000));
    let wide = vec!["true"; 3000].join(" && ");
    for rule in [deep, wide] {
        let mut causes = Vec::new();
        Rules::compile(&schema(&rule), "", &mut causes);
        assert!(!causes.is_empty());
    }
}

#[test]
fn an_old_value_is_known_again_by_keys_alone() {
    let item = json!({ "type": "object", "properties": { "k": { "type": "string" }, "v": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self >= oldSelf" }] } } });
    let keyed = json!({ "type": "object", "properties": { "l": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item,
    } } });
    let keyed = rules(keyed);
    let before = json!({ "l": [{ "k": "a", "v": 1 }, { "k": "b", "v": 5 }] });
    let swapped =
        json!({ "l": [{ "k": "b", "v": 5 }, { "k": "a", "v": 1 }, { "k": "c", "v": 0 }] });
    assert!(keyed.violations(&swapped, Some(&before)).is_empty());
    let less = json!({ "l": [{ "k": "b", "v": 4 }] });
    let refused = keyed.violations(&less, Some(&before));
    assert_eq!(refused[0].field, "l[0].v");

    let mut causes = Vec::new();
    let plain =
        json!({ "type": "object", "properties": { "l": { "type": "array", "items": item } } });
    Rules::compile(&plain, "", &mut causes);
    assert!(causes[0].message.contains("uncorrelatable"), "{causes:?}");
}

#[test]
fn work_without_end_is_cut_off() {
    let nested = "self.list.all(a, self.list.all(b, self.list.all(c, a + b + c >= 0)))";
    let value = json!({ "list": (0..200).collect::<Vec<i32>>() });
    let refused = rules(schema(nested)).violations(&value, None);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].message.contains("too much work"), "{refused:?}");
}
