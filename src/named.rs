//! Values by name, ordered by it: for the few dozen entries of manifests and recipes, where a search tree would only add code.

use serde::ser::{Serialize, Serializer};

/// Values by name, in the order of the names.
#[derive(Clone, Debug)]
pub struct Named<T> {
    names: Vec<String>,
    values: Vec<T>,
}

/// Where a name is, or where it would be.
fn place(names: &[String], name: &str) -> Result<usize, usize> {
    names.binary_search_by(|each| each.as_str().cmp(name))
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { names: Vec::new(), values: Vec::new() }
    }
}

impl<T> Named<T> {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        place(&self.names, name).ok().map(|at| &self.values[at])
    }

    /// Whether there is one.
    pub fn contains(&self, name: &str) -> bool {
        place(&self.names, name).is_ok()
    }

    /// Sets the value of a name.
    pub fn insert(&mut self, name: String, value: T) {
        match place(&self.names, &name) {
            Ok(at) => self.values[at] = value,
            Err(at) => {
                self.names.insert(at, name);
                self.values.insert(at, value);
            }
        }
    }

    /// Takes the value of a name out.
    pub fn remove(&mut self, name: &str) -> Option<T> {
        let at = place(&self.names, name).ok()?;
        self.names.remove(at);
        Some(self.values.remove(at))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The values.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.names.iter().zip(&self.values)
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_in_the_order_of_names() {
        let mut named = Named::default();
        for (i, name) in ["b", "d", "a", "c", "b"].into_iter().enumerate() {
            named.insert(name.to_string(), i);
        }
        assert_eq!(named.names(), ["a", "b", "c", "d"]);
        assert_eq!(named.values(), [2, 4, 3, 1]);
        assert_eq!(named.get("c"), Some(&3));
        assert_eq!(named.remove("b"), Some(4));
        assert_eq!(named.remove("b"), None);
        assert!(named.contains("a") && !named.contains("b"));
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"a":2,"c":3,"d":1}"#);
    }
}
