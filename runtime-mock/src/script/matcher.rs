//! Which calls and containers a script or a fault is for.

use std::ops::{Bound, RangeBounds};

use inboard::runtime::PodIdentity;

use crate::image::Reference;

/// Patterns that must all match; what is absent matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) image: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) command: Option<String>,
    pub(crate) attempts: Option<(Bound<u32>, Bound<u32>)>,
}

/// What a call is about, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) pod: Option<&'a PodIdentity>,
    pub(crate) container: Option<&'a str>,
    pub(crate) image: Option<&'a str>,
    pub(crate) command: Option<&'a str>,
    pub(crate) attempt: Option<u32>,
}

impl Matcher {
    /// Whether every pattern has something to match and does.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        let text = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| glob(pattern, text)))
        };
        text(&self.namespace, subject.pod.map(|pod| &*pod.namespace))
            && text(&self.pod, subject.pod.map(|pod| &*pod.name))
            && text(&self.container, subject.container)
            && text(&self.command, subject.command)
            && self.attempts.is_none_or(|range| subject.attempt.is_some_and(|attempt| range.contains(&attempt)))
            && self
                .image
                .as_ref()
                .is_none_or(|pattern| subject.image.is_some_and(|image| image_matches(pattern, image)))
    }

    /// Whether it can be judged by image and pod alone.
    pub(crate) fn is_for_images(&self) -> bool {
        self.container.is_none() && self.command.is_none() && self.attempts.is_none()
    }

    /// Both at once: where `self` says nothing, `outer` is taken.
    pub(crate) fn within(self, outer: &Self) -> Self {
        Self {
            image: self.image.or_else(|| outer.image.clone()),
            namespace: self.namespace.or_else(|| outer.namespace.clone()),
            pod: self.pod.or_else(|| outer.pod.clone()),
            container: self.container.or_else(|| outer.container.clone()),
            command: self.command.or_else(|| outer.command.clone()),
            attempts: self.attempts.or(outer.attempts),
        }
    }
}

fn image_matches(pattern: &str, image: &str) -> bool {
    if glob(pattern, image) {
        return true;
    }
    let Ok(reference) = Reference::parse(image) else { return false };
    let familiar = reference.familiar();
    glob(pattern, &familiar)
        || glob(pattern, &format!("{familiar}{}", reference.suffix()))
        || glob(pattern, &reference.full())
        || glob(pattern, &reference.repository())
}

/// Whether a text matches a pattern in which `*` stands for any run of characters.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, matches) in [
            ("web-*", "web-1", true),
            ("web-*", "web", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("ab*ba", "aba", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn an_image_pattern_sees_short_and_full_names() {
        for (pattern, image, matches) in [
            ("nginx", "nginx:1.25", true),
            ("nginx:1.*", "docker.io/library/nginx:1.25", true),
            ("nginx:latest", "nginx", true),
            ("docker.io/library/*", "nginx", true),
            ("nginx", "nginx-extra", false),
            ("nginx:1.*", "nginx:2.0", false),
        ] {
            assert_eq!(image_matches(pattern, image), matches, "{pattern} {image}");
        }
    }
}
