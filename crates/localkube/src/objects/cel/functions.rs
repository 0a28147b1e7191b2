//! What functions do: those that Kubernetes adds to CEL's own.
//!
//! URLs, quantities and addresses are texts at run time; that they are not mixed up, `check` has seen to.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::LazyLock;

use cel::common::functions::Function;
use cel::common::types::{DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE, Type};
use cel::common::value::CowVal;
use cel::{Env, ExecutionError, Value};

use super::library;

/// CEL with everything that `signature` lists.
pub(super) fn environment() -> Result<Arc<Env>, String> {
    static ENVIRONMENT: LazyLock<Result<Arc<Env>, String>> =
        LazyLock::new(|| build().map(Arc::new));
    ENVIRONMENT.clone()
}

fn build() -> Result<Env, String> {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings)
        .map_err(|error| error.to_string())?;
    let members: Vec<(&str, Type, Vec<Type>, Function)> = vec![
        ("indexOf", LIST_TYPE, vec![DYN_TYPE], |args| {
            position(&args, |items, item| {
                items.iter().position(|one| one == item)
            })
        }),
        ("lastIndexOf", LIST_TYPE, vec![DYN_TYPE], |args| {
            position(&args, |items, item| {
                items.iter().rposition(|one| one == item)
            })
        }),
        ("isSorted", LIST_TYPE, vec![], is_sorted),
        ("sum", LIST_TYPE, vec![], sum),
        ("min", LIST_TYPE, vec![], |args| {
            extreme(&args, "min", Ordering::Less)
        }),
        ("max", LIST_TYPE, vec![], |args| {
            extreme(&args, "max", Ordering::Greater)
        }),
        ("find", STRING_TYPE, vec![STRING_TYPE], find),
        ("findAll", STRING_TYPE, vec![STRING_TYPE], find_all),
        (
            "findAll",
            STRING_TYPE,
            vec![STRING_TYPE, INT_TYPE],
            find_all,
        ),
        ("getScheme", STRING_TYPE, vec![], |args| {
            give(library::scheme(&text(&args, 0)?))
        }),
        ("getHost", STRING_TYPE, vec![], |args| {
            give(library::host(&text(&args, 0)?))
        }),
        ("getHostname", STRING_TYPE, vec![], |args| {
            give(library::host_and_port(&text(&args, 0)?).0)
        }),
        ("getPort", STRING_TYPE, vec![], |args| {
            give(library::host_and_port(&text(&args, 0)?).1)
        }),
        ("getEscapedPath", STRING_TYPE, vec![], escaped_path),
        ("getQuery", STRING_TYPE, vec![], query),
        ("isInteger", STRING_TYPE, vec![], |args| {
            give(whole(&quantity(&args, 0)?).is_some())
        }),
        ("asInteger", STRING_TYPE, vec![], |args| {
            give(
                whole(&quantity(&args, 0)?)
                    .ok_or_else(|| failed("asInteger", "cannot convert value to integer"))?,
            )
        }),
        ("asApproximateFloat", STRING_TYPE, vec![], |args| {
            give(approximate(&quantity(&args, 0)?))
        }),
        ("sign", STRING_TYPE, vec![], |args| {
            give(quantity(&args, 0)?.cmp(&crate::objects::Quantity::default()) as i64)
        }),
        ("isGreaterThan", STRING_TYPE, vec![STRING_TYPE], |args| {
            give(compared(&args)? == Ordering::Greater)
        }),
        ("isLessThan", STRING_TYPE, vec![STRING_TYPE], |args| {
            give(compared(&args)? == Ordering::Less)
        }),
        ("compareTo", STRING_TYPE, vec![STRING_TYPE], |args| {
            give(compared(&args)? as i64)
        }),
        ("family", STRING_TYPE, vec![], |args| {
            give(if ip(&args, 0)?.is_ipv4() { 4_i64 } else { 6 })
        }),
        ("isLoopback", STRING_TYPE, vec![], |args| {
            give(ip(&args, 0)?.is_loopback())
        }),
        ("isUnspecified", STRING_TYPE, vec![], |args| {
            give(ip(&args, 0)?.is_unspecified())
        }),
        ("isGlobalUnicast", STRING_TYPE, vec![], |args| {
            give(is_global_unicast(ip(&args, 0)?))
        }),
        ("containsIP", STRING_TYPE, vec![STRING_TYPE], |args| {
            give(library::contains(cidr(&args, 0)?, ip(&args, 1)?))
        }),
        ("containsCIDR", STRING_TYPE, vec![STRING_TYPE], |args| {
            let (outer, inner) = (cidr(&args, 0)?, cidr(&args, 1)?);
            give(outer.1 <= inner.1 && library::contains(outer, inner.0))
        }),
        ("ip", STRING_TYPE, vec![], |args| {
            give(cidr(&args, 0)?.0.to_string())
        }),
        ("prefixLength", STRING_TYPE, vec![], |args| {
            give(i64::from(cidr(&args, 0)?.1))
        }),
    ];
    for (name, target, arguments, function) in members {
        let id = format!("kubernetes_{name}_{}_{}", target.name(), arguments.len());
        env.add_member_overload(name, &id, target, arguments, function)
            .map_err(|error| error.to_string())?;
    }
    let globals: Vec<(&str, Vec<Type>, Function)> = vec![
        ("sets.contains", vec![LIST_TYPE, LIST_TYPE], |args| {
            give(subset(&list(&args, 1)?, &list(&args, 0)?))
        }),
        ("sets.equivalent", vec![LIST_TYPE, LIST_TYPE], |args| {
            let (a, b) = (list(&args, 0)?, list(&args, 1)?);
            give(subset(&a, &b) && subset(&b, &a))
        }),
        ("sets.intersects", vec![LIST_TYPE, LIST_TYPE], |args| {
            let (a, b) = (list(&args, 0)?, list(&args, 1)?);
            give(a.iter().any(|item| b.contains(item)))
        }),
        ("isURL", vec![STRING_TYPE], |args| {
            give(library::url(&text(&args, 0)?).is_ok())
        }),
        ("url", vec![STRING_TYPE], |args| {
            made(&args, "url", |text| {
                library::url(text).map(|_| text.to_owned())
            })
        }),
        ("isQuantity", vec![STRING_TYPE], |args| {
            give(library::quantity(&text(&args, 0)?).is_ok())
        }),
        ("quantity", vec![STRING_TYPE], |args| {
            made(&args, "quantity", |text| {
                library::quantity(text).map(|quantity| quantity.to_string())
            })
        }),
        ("isIP", vec![STRING_TYPE], |args| {
            give(library::ip(&text(&args, 0)?).is_ok())
        }),
        ("ip", vec![STRING_TYPE], |args| {
            made(&args, "ip", |text| {
                library::ip(text).map(|ip| ip.to_string())
            })
        }),
        ("ip.isCanonical", vec![STRING_TYPE], |args| {
            let text = text(&args, 0)?;
            let ip = library::ip(&text).map_err(|error| failed("ip.isCanonical", error))?;
            give(ip.to_string() == text)
        }),
        ("isCIDR", vec![STRING_TYPE], |args| {
            give(library::cidr(&text(&args, 0)?).is_ok())
        }),
        ("cidr", vec![STRING_TYPE], |args| {
            made(&args, "cidr", |text| {
                library::cidr(text).map(|_| text.to_owned())
            })
        }),
    ];
    for (name, arguments, function) in globals {
        env.add_overload(name, &format!("kubernetes_{name}"), arguments, function)
            .map_err(|error| error.to_string())?;
    }
    Ok(env)
}

type Arguments<'b, 'v> = [CowVal<'b, 'v>];

fn failed(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn give<'b, 'v>(value: impl Into<Value>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(CowVal::Owned(value.into().try_into()?))
}

fn value(args: &Arguments<'_, '_>, index: usize) -> Result<Value, ExecutionError> {
    let argument = args
        .get(index)
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    Value::try_from(argument.as_ref())
}

fn text(args: &Arguments<'_, '_>, index: usize) -> Result<String, ExecutionError> {
    match value(args, index)? {
        Value::String(text) => Ok(text.to_string()),
        other => Err(unexpected(&other, "string")),
    }
}

fn list(args: &Arguments<'_, '_>, index: usize) -> Result<Arc<Vec<Value>>, ExecutionError> {
    match value(args, index)? {
        Value::List(list) => Ok(list),
        other => Err(unexpected(&other, "list")),
    }
}

fn unexpected(got: &Value, want: &str) -> ExecutionError {
    ExecutionError::UnexpectedType {
        got: got.type_of().to_string(),
        want: want.to_owned(),
    }
}

/// A text that is checked, and so becomes something of its own type.
fn made<'b, 'v>(
    args: &Arguments<'_, '_>,
    name: &str,
    make: impl Fn(&str) -> Result<String, String>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    give(make(&text(args, 0)?).map_err(|error| failed(name, error))?)
}

fn quantity(
    args: &Arguments<'_, '_>,
    index: usize,
) -> Result<crate::objects::Quantity, ExecutionError> {
    library::quantity(&text(args, index)?).map_err(|error| failed("quantity", error))
}

fn ip(args: &Arguments<'_, '_>, index: usize) -> Result<IpAddr, ExecutionError> {
    library::ip(&text(args, index)?).map_err(|error| failed("ip", error))
}

fn cidr(args: &Arguments<'_, '_>, index: usize) -> Result<(IpAddr, u8), ExecutionError> {
    library::cidr(&text(args, index)?).map_err(|error| failed("cidr", error))
}

fn compared(args: &Arguments<'_, '_>) -> Result<Ordering, ExecutionError> {
    Ok(quantity(args, 0)?.cmp(&quantity(args, 1)?))
}

/// The whole number that a quantity is, if it is one.
fn whole(quantity: &crate::objects::Quantity) -> Option<i64> {
    let units = quantity.units();
    (crate::objects::Quantity::whole(units) == *quantity).then_some(units)
}

fn approximate(quantity: &crate::objects::Quantity) -> f64 {
    whole(quantity).map_or_else(|| quantity.millis() as f64 / 1000.0, |units| units as f64)
}

fn is_global_unicast(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || link_local)
}

fn position<'b, 'v>(
    args: &Arguments<'_, '_>,
    find: impl Fn(&[Value], &Value) -> Option<usize>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let found = find(&list(args, 0)?, &value(args, 1)?);
    give(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

fn is_sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list(&args, 0)?;
    give(items.windows(2).all(|pair| pair[0] <= pair[1]))
}

fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list(&args, 0)?;
    let mut items = items.iter().cloned();
    let Some(first) = items.next() else {
        return give(0_i64);
    };
    give(items.try_fold(first, |total, item| total + item)?)
}

fn extreme<'b, 'v>(
    args: &Arguments<'_, '_>,
    name: &str,
    wanted: Ordering,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list(args, 0)?;
    let mut items = items.iter();
    let first = items
        .next()
        .ok_or_else(|| failed(name, format!("{name} called on empty list")))?;
    let found = items.fold(first, |best, item| {
        if item.partial_cmp(best) == Some(wanted) {
            item
        } else {
            best
        }
    });
    give(found.clone())
}

fn find<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (text, pattern) = (text(&args, 0)?, text(&args, 1)?);
    let regex = library::regex(&pattern).map_err(|error| failed("find", error))?;
    give(
        regex
            .find(&text)
            .map(|found| found.as_str())
            .unwrap_or_default(),
    )
}

fn find_all<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (text, pattern) = (text(&args, 0)?, text(&args, 1)?);
    let most = match args.len() {
        3 => match value(&args, 2)? {
            Value::Int(most) => usize::try_from(most).unwrap_or(usize::MAX),
            other => return Err(unexpected(&other, "int")),
        },
        _ => usize::MAX,
    };
    let regex = library::regex(&pattern).map_err(|error| failed("findAll", error))?;
    let found: Vec<Value> = regex
        .find_iter(&text)
        .take(most)
        .map(|found| found.as_str().into())
        .collect();
    give(found)
}

fn subset(inner: &[Value], outer: &[Value]) -> bool {
    inner.iter().all(|item| outer.contains(item))
}

fn escaped_path<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = text(&args, 0)?;
    let url = library::url(&text).map_err(|error| failed("getEscapedPath", error))?;
    // What was not written is not there, though a URL of the web always has a path.
    let written = text
        .split_once("://")
        .map_or(text.as_str(), |(_, rest)| rest)
        .contains('/');
    give(if written { url.path() } else { "" })
}

fn query<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let url = library::url(&text(&args, 0)?).map_err(|error| failed("getQuery", error))?;
    let mut values: HashMap<String, Vec<Value>> = HashMap::new();
    for (name, value) in url.query_pairs() {
        values
            .entry(name.into_owned())
            .or_default()
            .push(value.as_ref().into());
    }
    let values: HashMap<String, Value> = values
        .into_iter()
        .map(|(name, list)| (name, Value::from(list)))
        .collect();
    give(values)
}
