//! Images: there, not there, not to be had.

use super::lab::{At as _, Failure, Lab, ensure, must_fail};
use super::{Check, Feature};
use crate::runtime::{ImagePull, RuntimeErrorKind};

pub(super) const CHECKS: &[Check] = &[
    Check::new("an image that is there has an id, names and a place in the list", |lab| Box::pin(present(lab))),
    Check::new("pulling an image that is there gives the same image", |lab| Box::pin(pull_again(lab))),
    Check::new("an image that is not there has no status", |lab| Box::pin(absent(lab))),
    Check::new("an image that no registry has cannot be pulled", |lab| Box::pin(not_to_be_had(lab)))
        .needs(Feature::Pull),
    Check::new("a name that is none is an invalid image name", |lab| Box::pin(bad_name(lab))),
    Check::new("a container of an image that is not there is NotFound", |lab| Box::pin(create_without(lab))),
];

fn pull(image: &str) -> ImagePull {
    ImagePull { image: image.into(), credentials: Vec::new(), pod: None }
}

async fn present(lab: &Lab<'_>) -> Result<(), Failure> {
    let status = lab.runtime.image_status(lab.fixture.image()).await.at("asking for the image")?;
    let Some(status) = status else { return Err(Failure::new("the image has no status")) };
    ensure!(!status.id.is_empty(), "the image has no id");
    ensure!(!status.names.is_empty(), "the image has no names");
    let list = lab.runtime.list_images().await.at("listing images")?;
    ensure!(list.iter().any(|image| image.id == status.id), "{} is not in the list {list:?}", status.id);
    for name in &status.names {
        let again = lab.runtime.image_status(name).await.at("asking for the image by another name")?;
        ensure!(again.as_ref().is_some_and(|again| again.id == status.id), "by the name {name:?} it is {again:?}");
    }
    Ok(())
}

async fn pull_again(lab: &Lab<'_>) -> Result<(), Failure> {
    let before = lab.runtime.image_status(lab.fixture.image()).await.at("asking for the image")?;
    let pulled = lab.runtime.pull_image(&pull(lab.fixture.image())).await.at("pulling")?;
    ensure!(before.as_ref() == Some(&pulled), "it was {before:?} and is {pulled:?}");
    Ok(())
}

async fn absent(lab: &Lab<'_>) -> Result<(), Failure> {
    let status = lab.runtime.image_status(lab.fixture.missing_image()).await.at("asking for the image")?;
    ensure!(status.is_none(), "it is {status:?}");
    Ok(())
}

async fn not_to_be_had(lab: &Lab<'_>) -> Result<(), Failure> {
    use RuntimeErrorKind::{ImageNotFound, RegistryUnavailable, Unauthorized};
    let result = lab.runtime.pull_image(&pull(lab.fixture.missing_image())).await;
    must_fail("pulling", result, &[ImageNotFound, RegistryUnavailable, Unauthorized])?;
    absent(lab).await
}

async fn bad_name(lab: &Lab<'_>) -> Result<(), Failure> {
    for name in ["", "Not A Name", "nginx:", "a//b"] {
        let result = lab.runtime.pull_image(&pull(name)).await;
        must_fail(&format!("pulling {name:?}"), result, &[RuntimeErrorKind::InvalidImageName])?;
    }
    Ok(())
}

async fn create_without(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let mut config = lab.container(&pod, "main", "true");
    config.image = lab.fixture.missing_image().into();
    config.image_id = config.image.clone();
    must_fail("creating", lab.runtime.create_container(&sandbox, &config).await, &[RuntimeErrorKind::NotFound])
}
