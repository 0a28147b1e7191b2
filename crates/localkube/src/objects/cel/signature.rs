//! Which functions there are, and what they take and give.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::types::Type;

/// One form of a function.
#[derive(Debug)]
pub(super) struct Signature {
    /// Whether it is called on its first argument.
    pub member: bool,
    pub arguments: Vec<Type>,
    pub result: Type,
}

/// The forms of a function by its name; none where there is no such function.
pub(super) fn signatures(name: &str) -> Option<&'static [Signature]> {
    static ALL: LazyLock<HashMap<&'static str, Vec<Signature>>> = LazyLock::new(|| {
        let mut all: HashMap<&str, Vec<Signature>> = HashMap::new();
        for line in FUNCTIONS
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            if let Some((name, signature)) = parse(line) {
                all.entry(name).or_default().push(signature);
            }
        }
        all
    });
    ALL.get(name).map(Vec::as_slice)
}

/// `name : argument argument = result`; of a member function, `.name : target argument = result`.
fn parse(line: &'static str) -> Option<(&'static str, Signature)> {
    let (name, rest) = line.split_once(" :")?;
    let (arguments, result) = rest.split_once("= ")?;
    let member = name.starts_with('.');
    let signature = Signature {
        member,
        arguments: arguments
            .split_whitespace()
            .filter_map(parse_type)
            .collect(),
        result: parse_type(result)?,
    };
    Some((name.trim_start_matches('.'), signature))
}

fn parse_type(text: &'static str) -> Option<Type> {
    let of = |text: &'static str| parse_type(text).map(Box::new);
    let inside = |name: &str| {
        text.strip_prefix(name)?
            .strip_prefix('<')?
            .strip_suffix('>')
    };
    if let Some(text) = inside("list") {
        return of(text).map(Type::List);
    }
    if let Some(text) = inside("optional") {
        return of(text).map(Type::Optional);
    }
    if let Some(text) = inside("map") {
        let (key, value) = text.split_once(',')?;
        return Some(Type::Map(of(key)?, of(value)?));
    }
    Some(match text {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        one if one.len() == 1 => Type::Parameter(one.chars().next()?),
        named => Type::Named(named),
    })
}

/// The standard functions, those of the strings library, and Kubernetes' own for lists, regular expressions, URLs,
/// sets, quantities and addresses. Every one of them is there at run time.
const FUNCTIONS: &str = "
    !_ : bool = bool
    _&&_ : bool bool = bool
    _||_ : bool bool = bool
    @not_strictly_false : bool = bool
    _?_:_ : bool A A = A
    _==_ : A A = bool
    _!=_ : A A = bool
    _==_ : int double = bool
    _==_ : double int = bool
    _!=_ : int double = bool
    _!=_ : double int = bool
    -_ : int = int
    -_ : double = double
    _+_ : int int = int
    _+_ : uint uint = uint
    _+_ : double double = double
    _+_ : string string = string
    _+_ : bytes bytes = bytes
    _+_ : list<A> list<A> = list<A>
    _+_ : duration duration = duration
    _+_ : timestamp duration = timestamp
    _+_ : duration timestamp = timestamp
    _-_ : int int = int
    _-_ : uint uint = uint
    _-_ : double double = double
    _-_ : duration duration = duration
    _-_ : timestamp duration = timestamp
    _-_ : timestamp timestamp = duration
    _*_ : int int = int
    _*_ : uint uint = uint
    _*_ : double double = double
    _/_ : int int = int
    _/_ : uint uint = uint
    _/_ : double double = double
    _%_ : int int = int
    _%_ : uint uint = uint
    @in : A list<A> = bool
    @in : A map<A,B> = bool
    _[_] : list<A> int = A
    _[_] : map<A,B> A = B
    _[?_] : list<A> int = optional<A>
    _[?_] : map<A,B> A = optional<B>
    size : string = int
    size : bytes = int
    size : list<A> = int
    size : map<A,B> = int
    .size : string = int
    .size : bytes = int
    .size : list<A> = int
    .size : map<A,B> = int
    type : A = type
    dyn : A = dyn
    bool : bool = bool
    bool : string = bool
    int : int = int
    int : uint = int
    int : double = int
    int : string = int
    int : timestamp = int
    uint : uint = uint
    uint : int = uint
    uint : double = uint
    uint : string = uint
    double : double = double
    double : int = double
    double : uint = double
    double : string = double
    string : string = string
    string : bool = string
    string : int = string
    string : uint = string
    string : double = string
    string : bytes = string
    string : duration = string
    string : timestamp = string
    string : ip = string
    string : cidr = string
    bytes : string = bytes
    bytes : bytes = bytes
    duration : string = duration
    duration : duration = duration
    timestamp : string = timestamp
    timestamp : timestamp = timestamp
    timestamp : int = timestamp
    .contains : string string = bool
    .startsWith : string string = bool
    .endsWith : string string = bool
    .matches : string string = bool
    matches : string string = bool
    .getFullYear : timestamp = int
    .getMonth : timestamp = int
    .getDate : timestamp = int
    .getDayOfMonth : timestamp = int
    .getDayOfWeek : timestamp = int
    .getDayOfYear : timestamp = int
    .getHours : timestamp = int
    .getMinutes : timestamp = int
    .getSeconds : timestamp = int
    .getMilliseconds : timestamp = int
    .getHours : duration = int
    .getMinutes : duration = int
    .getSeconds : duration = int
    .getMilliseconds : duration = int
    optional.of : A = optional<A>
    optional.none : = optional<A>
    optional.ofNonZeroValue : A = optional<A>
    .hasValue : optional<A> = bool
    .value : optional<A> = A
    .orValue : optional<A> A = A
    .or : optional<A> optional<A> = optional<A>
    .charAt : string int = string
    .indexOf : string string = int
    .indexOf : string string int = int
    .lastIndexOf : string string = int
    .lastIndexOf : string string int = int
    .join : list<string> = string
    .join : list<string> string = string
    .lowerAscii : string = string
    .upperAscii : string = string
    .replace : string string string = string
    .replace : string string string int = string
    .split : string string = list<string>
    .split : string string int = list<string>
    .substring : string int = string
    .substring : string int int = string
    .trim : string = string
    .indexOf : list<A> A = int
    .lastIndexOf : list<A> A = int
    .isSorted : list<A> = bool
    .sum : list<A> = A
    .min : list<A> = A
    .max : list<A> = A
    .find : string string = string
    .findAll : string string = list<string>
    .findAll : string string int = list<string>
    sets.contains : list<A> list<A> = bool
    sets.equivalent : list<A> list<A> = bool
    sets.intersects : list<A> list<A> = bool
    isURL : string = bool
    url : string = url
    .getScheme : url = string
    .getHost : url = string
    .getHostname : url = string
    .getPort : url = string
    .getEscapedPath : url = string
    .getQuery : url = map<string,list<string>>
    isQuantity : string = bool
    quantity : string = quantity
    .isInteger : quantity = bool
    .asInteger : quantity = int
    .asApproximateFloat : quantity = double
    .sign : quantity = int
    .isGreaterThan : quantity quantity = bool
    .isLessThan : quantity quantity = bool
    .compareTo : quantity quantity = int
    isIP : string = bool
    ip : string = ip
    ip.isCanonical : string = bool
    .family : ip = int
    .isLoopback : ip = bool
    .isUnspecified : ip = bool
    .isGlobalUnicast : ip = bool
    isCIDR : string = bool
    cidr : string = cidr
    .containsIP : cidr string = bool
    .containsIP : cidr ip = bool
    .containsCIDR : cidr string = bool
    .containsCIDR : cidr cidr = bool
    .ip : cidr = ip
    .prefixLength : cidr = int
    _<_ : bool bool = bool
    _<_ : int int = bool
    _<_ : uint uint = bool
    _<_ : double double = bool
    _<_ : int double = bool
    _<_ : double int = bool
    _<_ : string string = bool
    _<_ : bytes bytes = bool
    _<_ : timestamp timestamp = bool
    _<_ : duration duration = bool
    _<=_ : bool bool = bool
    _<=_ : int int = bool
    _<=_ : uint uint = bool
    _<=_ : double double = bool
    _<=_ : int double = bool
    _<=_ : double int = bool
    _<=_ : string string = bool
    _<=_ : bytes bytes = bool
    _<=_ : timestamp timestamp = bool
    _<=_ : duration duration = bool
    _>_ : bool bool = bool
    _>_ : int int = bool
    _>_ : uint uint = bool
    _>_ : double double = bool
    _>_ : int double = bool
    _>_ : double int = bool
    _>_ : string string = bool
    _>_ : bytes bytes = bool
    _>_ : timestamp timestamp = bool
    _>_ : duration duration = bool
    _>=_ : bool bool = bool
    _>=_ : int int = bool
    _>=_ : uint uint = bool
    _>=_ : double double = bool
    _>=_ : int double = bool
    _>=_ : double int = bool
    _>=_ : string string = bool
    _>=_ : bytes bytes = bool
    _>=_ : timestamp timestamp = bool
    _>=_ : duration duration = bool
";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_signature() {
        for line in FUNCTIONS
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (_, signature) = parse(line).unwrap();
            let words = line.split_once(" :").unwrap().1.split_once('=').unwrap().0;
            assert_eq!(
                signature.arguments.len(),
                words.split_whitespace().count(),
                "{line}"
            );
        }
        assert_eq!(signatures("size").unwrap().len(), 8);
        assert!(signatures("nobody").is_none());
    }
}
