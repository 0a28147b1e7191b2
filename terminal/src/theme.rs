//! The page's own colours for the terminal.

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use web_sys::HtmlElement;
use xterm_js_rs::Theme;

/// xterm's names, and the custom properties whose colours they take.
const COLOURS: [(&str, &str); 21] = [
    ("background", "--sunken"),
    ("foreground", "--text"),
    ("cursor", "--accent"),
    ("cursorAccent", "--sunken"),
    ("selectionBackground", "--terminal-selection"),
    ("black", "--ansi-0"),
    ("red", "--bad"),
    ("green", "--ready"),
    ("yellow", "--warn"),
    ("blue", "--busy"),
    ("magenta", "--ansi-5"),
    ("cyan", "--ansi-6"),
    ("white", "--ansi-7"),
    ("brightBlack", "--faint"),
    ("brightRed", "--bad"),
    ("brightGreen", "--ready"),
    ("brightYellow", "--warn"),
    ("brightBlue", "--busy"),
    ("brightMagenta", "--ansi-5"),
    ("brightCyan", "--ansi-6"),
    ("brightWhite", "--text"),
];

/// The colours that apply to `host` now.
pub(crate) fn of(host: &HtmlElement) -> Theme {
    let theme = Theme::new();
    for (name, property) in COLOURS {
        if let Some(colour) = resolve(host, property) {
            // Setting a property of a plain object does not fail.
            let _ = Reflect::set(&theme, &name.into(), &JsValue::from_str(&colour));
        }
    }
    theme
}

/// What a colour is in numbers: a custom property's own text may depend on the theme.
fn resolve(host: &HtmlElement, property: &str) -> Option<String> {
    let style = host.style();
    let before = style.get_property_value("color").ok()?;
    // Where motion is reduced all changes are very short transitions, which begin with the colour
    // from before.
    style
        .set_property_with_priority("transition", "none", "important")
        .ok()?;
    style
        .set_property("color", &format!("var({property})"))
        .ok()?;
    let computed = web_sys::window()?.get_computed_style(host).ok()??;
    let colour = computed.get_property_value("color").ok();
    style.set_property("color", &before).ok()?;
    colour.filter(|colour| !colour.is_empty())
}
