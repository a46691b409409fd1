//! Members of a query string, checked by name.

use super::error::ApiError;
use actix_web::{HttpRequest, web::Query};

/// The pairs of the query, in order.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// # Errors
    ///
    /// The query is not `name=value` pairs.
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::from_query(request.query_string());
        let pairs =
            query.map_err(|error| ApiError::invalid("query", format!("Bad query string: {error}")))?;
        Ok(Self(pairs.into_inner()))
    }

    /// The last value of that name; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().rev().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// A value that `read` understands.
    ///
    /// # Errors
    ///
    /// 400 that names the member and says what was expected.
    pub fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|text| {
                read(text).ok_or_else(|| ApiError::invalid(name, format!("`{name}` must be {expected}")))
            })
            .transpose()
    }

    /// `limit`, from 1 to 200.
    ///
    /// # Errors
    ///
    /// Anything else than such a number.
    pub fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let in_range = |text: &str| text.parse().ok().filter(|limit| (1..=200).contains(limit));
        Ok(self.read("limit", "a number from 1 to 200", in_range)?.unwrap_or(default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn limits_are_numbers_in_range() {
        let cases = [
            ("/", Some(50)),
            ("/?limit=", Some(50)),
            ("/?limit=7", Some(7)),
            ("/?limit=0", None),
            ("/?limit=201", None),
            ("/?limit=-1", None),
            ("/?limit=x", None),
        ];
        for (uri, limit) in cases {
            let request = TestRequest::with_uri(uri).to_http_request();
            let got = Params::of(&request).unwrap().limit(50);
            assert_eq!(got.ok(), limit, "{uri}");
        }
    }
}
