//! To and from the `HeaderMap` of the crate `http`, for code that speaks it.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{FieldError, Headers};

/// Names lose their case, and different names their order. Fails if the map cannot hold all of them.
impl TryFrom<&Headers> for HeaderMap {
    type Error = http::Error;

    fn try_from(headers: &Headers) -> Result<HeaderMap, http::Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter() {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            map.try_append(name, HeaderValue::from_bytes(value)?)?;
        }
        Ok(map)
    }
}

/// In the order of the map. Fails if all fields together are too large.
impl TryFrom<&HeaderMap> for Headers {
    type Error = FieldError;

    fn try_from(map: &HeaderMap) -> Result<Headers, FieldError> {
        let mut headers = Headers::new();
        for (name, value) in map {
            headers.append(name.as_str(), value.as_bytes())?;
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_goes_there_and_back() {
        let mut headers = Headers::new();
        for (name, value) in [("b", "1"), ("set-cookie", "a"), ("set-cookie", "b"), ("a", "\t2 ")] {
            headers.append(name, value).unwrap();
        }
        headers.append("raw", b"\xff\xfe").unwrap();
        let map = HeaderMap::try_from(&headers).unwrap();
        let cookies: Vec<_> = map.get_all("Set-Cookie").iter().collect();
        assert_eq!(cookies, ["a", "b"]);
        assert_eq!(map.len(), headers.len());
        let back = Headers::try_from(&map).unwrap();
        for (name, _) in headers.iter() {
            assert!(headers.get_all(name).eq(back.get_all(name)), "{name}");
        }
    }
}
