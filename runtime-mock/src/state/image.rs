//! Images: what is there, what can be pulled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use inboard::runtime::{ImagePull, ImageStatus, RuntimeError};
use inboard::time::Time;

use super::serve::About;
use super::{Answer, Image, MockState};
use crate::calls::Verb;
use crate::image::Reference;
use crate::script::{Script, Subject};

/// The size of an image of which nothing was said, in bytes.
const DEFAULT_SIZE: u64 = 10 << 20;

impl MockState {
    pub(crate) fn image_status(&mut self, now: Time, image: &str) -> Answer<Option<ImageStatus>> {
        self.serve(now, Verb::ImageStatus, About::Image(image, None), |state, now| {
            let there = state.find_image(image).filter(|image| image.present_at <= now);
            let status = match there {
                Some(known) if *known.name == *image => Ok(Some(known.status.clone())),
                Some(_) => state.describe_image(image).map(Some),
                None => Reference::parse(image).map(|_| None),
            };
            (now, status).into()
        })
    }

    pub(crate) fn pull_image(&mut self, now: Time, pull: &ImagePull) -> Answer<ImageStatus> {
        self.serve(now, Verb::PullImage, About::Image(&pull.image, pull.pod.as_ref()), |state, now| {
            let known = state.find_image(&pull.image).map(|image| (&image.name, &image.status, image.present_at));
            // What is known under this very name is not described again: many pods ask for the same.
            let status = match known {
                Some((name, status, _)) if *name == pull.image => status.clone(),
                _ => match state.describe_image(&pull.image) {
                    Ok(status) => status,
                    Err(error) => return (now, Err(error)).into(),
                },
            };
            let present_at = match known {
                // A pull that is under way is joined; a new one of what is there finds nothing to do.
                Some((.., present_at)) => present_at.max(now),
                None => {
                    let subject = Subject { image: Some(&pull.image), pod: pull.pod.as_ref(), ..Subject::default() };
                    let script = state.image_script(&subject);
                    let present_at = now + script.map_or(Duration::ZERO, |script| script.pull_takes);
                    state.images.push(Image { name: pull.image.clone(), status: status.clone(), present_at });
                    present_at
                }
            };
            (present_at, Ok(status)).into()
        })
    }

    pub(crate) fn list_images(&mut self, now: Time) -> Answer<Vec<ImageStatus>> {
        self.serve(now, Verb::ListImages, About::Node, |state, now| {
            let present = state.images.iter().filter(|image| image.present_at <= now);
            let mut list: Vec<ImageStatus> = present.map(|image| image.status.clone()).collect();
            list.sort_by(|a, b| a.names.cmp(&b.names));
            list.dedup();
            (now, Ok(list)).into()
        })
    }

    pub(crate) fn remove_image(&mut self, now: Time, name: &str) -> Answer<()> {
        self.serve(now, Verb::RemoveImage, About::Image(name, None), |state, now| {
            let full = |name: &str| Reference::parse(name).map(|reference| reference.status(0, None).names).ok();
            let removed = full(name);
            state.images.retain(|image| {
                let names = full(&image.name);
                let same =
                    removed.as_ref().zip(names.as_ref()).is_some_and(|(a, b)| a.iter().any(|name| b.contains(name)));
                !same && *image.name != *name
            });
            (now, Ok(())).into()
        })
    }

    /// Removes the images that no container was made from.
    pub(crate) fn free_images(&mut self, now: Time) -> Answer<()> {
        self.serve(now, Verb::FreeImages, About::Node, |state, now| {
            let containers = state.sandboxes.iter().flat_map(|entry| &entry.sandbox.containers);
            let used: BTreeSet<Arc<str>> = containers.map(|container| container.image_id.clone()).collect();
            state.images.retain(|image| image.present_at > now || used.contains(&image.status.id));
            (now, Ok(())).into()
        })
    }

    /// Whether an image is there at this moment, under this or another of its names.
    pub(super) fn has_image(&self, now: Time, name: &str) -> bool {
        self.find_image(name).is_some_and(|image| image.present_at <= now)
    }

    fn find_image(&self, name: &str) -> Option<&Image> {
        // Nearly always the name is the one that was used before.
        if let Some(image) = self.images.iter().find(|image| *image.name == *name) {
            return Some(image);
        }
        let names = Reference::parse(name).ok()?.status(0, None).names;
        self.images.iter().find(|image| {
            Reference::parse(&image.name)
                .is_ok_and(|other| other.status(0, None).names.iter().any(|name| names.contains(name)))
        })
    }

    fn image_script(&self, subject: &Subject<'_>) -> Option<&Script> {
        let scripts = self.scripts.iter().map(|script| &**script);
        scripts.into_iter().find(|script| script.matcher.is_for_images() && script.matcher.matches(subject))
    }

    /// What is said of an image of this name, if it can be one.
    pub(crate) fn describe_image(&self, name: &str) -> Result<ImageStatus, RuntimeError> {
        let reference = Reference::parse(name)?;
        let script = self.image_script(&Subject { image: Some(name), ..Subject::default() });
        let size = script.and_then(|script| script.pull_size).unwrap_or(DEFAULT_SIZE);
        Ok(reference.status(size, script.and_then(|script| script.image_user.clone())))
    }
}
