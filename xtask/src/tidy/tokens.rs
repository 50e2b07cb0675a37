//! Rust's source as words and signs: as much of a lexer as the checks of imports and names need.

/// A word, or a sign; `::` and `->` are one sign. Comments, texts, characters and lifetimes are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

impl Token<'_> {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }
}

/// The tokens of a file that are not for its unit tests only.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    without_tests(&all(text))
}

fn all(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = silent(rest).unwrap_or_else(|| {
            let length = match first {
                first if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") || rest.starts_with("->") => 2,
                first => first.len_utf8(),
            };
            tokens.push(Token { text: &rest[..length], line });
            length
        });
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of what is no token at the start of `rest`, if it begins so.
fn silent(rest: &str) -> Option<usize> {
    if let Some(first) = rest.chars().next().filter(|first| first.is_whitespace()) {
        return Some(first.len_utf8());
    }
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('\'') {
        return Some(character(rest));
    }
    // r#word is a word that would be a keyword otherwise.
    if rest.starts_with("r#") && rest[2..].starts_with(is_word) {
        return Some(2);
    }
    literal(rest)
}

/// Comments stand inside one another.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// A character in quotes, or a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        // What is escaped has no quote but an escaped one.
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            from + rest[from..].find('\'').map_or(0, |end| end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1),
    }
}

/// A text, raw or not, of characters or of bytes.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|more| {
            more.starts_with('"') || (prefix.ends_with('r') && more.starts_with('#'))
        })
    })?;
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let signs = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(signs));
        let found = body[signs..].strip_prefix('"')?.find(&end)?;
        return Some(prefix.len() + signs + 1 + found + end.len());
    }
    let mut escaped = false;
    let end = body.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        is_end
    });
    Some(prefix.len() + end.map_or(body.len(), |(at, _)| at + 1))
}

const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// Leaves out whatever follows `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_test = tokens[at..].iter().map(|token| token.text).take(TEST.len()).eq(TEST);
        if is_test {
            at += TEST.len() + item(&tokens[at + TEST.len()..]);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// How many tokens one item has: to its semicolon, or to the end of its block.
fn item(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" if depth <= 1 => {
                // The last member of a block that is no test itself ends where that block does.
                let ends = usize::from(depth == 1);
                // `use a::{b};`
                let semicolon = tokens.get(at + 1).is_some_and(|next| next.text == ";");
                return at + ends + usize::from(semicolon);
            }
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_texts_and_lifetimes_are_left_out() {
        let text = r###"a /* b /* c */ d */ "e \" f" r#"g "h" i"# b"j" 'k' '\'' '\u{6c}' &'m n // o
            p r#type"###;
        assert_eq!(words(text), ["a", "&", "n", "p", "type"]);
    }

    #[test]
    fn signs_and_lines_are_kept() {
        let tokens = all("a::b\n-> c");
        let told: Vec<_> = tokens.iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(told, [("a", 1), ("::", 1), ("b", 1), ("->", 2), ("c", 2)]);
    }

    #[test]
    fn what_is_for_tests_only_is_left_out() {
        assert_eq!(words("a; #[cfg(test)] mod tests { fn b() { c } } d"), ["a", ";", "d"]);
        assert_eq!(words("#[cfg(test)] mod tests; d"), ["d"]);
        assert_eq!(words("#[cfg(test)] use a::{b, c}; d"), ["d"]);
        assert_eq!(words("#[cfg(test)] #[derive(A)] struct B { c: D } d"), ["d"]);
    }
}
