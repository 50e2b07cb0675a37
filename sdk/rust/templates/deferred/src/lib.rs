//! Answers each number with how many primes are below it; they are counted off the loop.

use sandloop::{Operation, Socket, defer, frames::LineText2};

struct Deferred(Socket);

impl LineText2 for Deferred {
    fn receive_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        let (done, failed) = (self.0.clone(), self.0.clone());
        defer(
            Operation::with(text, |text: String| primes(&text)),
            move |count: u32| done.send_data(format!("{count}\n")),
            move |failure| failed.send_data(format!("error: {failure}\n")),
        );
    }
}

/// Runs in a sandbox of its own: it knows nothing but its argument.
fn primes(text: &str) -> sandloop::Result<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err("not a number".into());
    }
    match text.parse() {
        Ok(below) if below <= 1_000_000 => Ok((2..below).filter(|n| is_prime(*n)).count() as u32),
        _ => Err("too large".into()),
    }
}

fn is_prime(n: u32) -> bool {
    (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

sandloop::plugin! { handlers: [Deferred] }

#[cfg(test)]
mod tests {
    use super::primes;

    #[test]
    fn primes_are_counted_or_refused() {
        for (text, expected) in [("10", "4"), ("2", "0"), ("x", "not a number"), ("1000001", "too large")] {
            let told = primes(text).map_or_else(|error| error.to_string(), |count| count.to_string());
            assert_eq!(told, expected, "{text}");
        }
    }
}
