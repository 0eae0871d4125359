//! Validating webhooks: all that want to see a request are asked at once, and the first that refuses in their order decides.

use futures_util::future::join_all;
use inboard::ApiError;
use inboard::object::admission::Objects;

use super::hooks::Hook;
use super::review::{Asking, Problem};

impl Asking<'_> {
    /// Lets them judge.
    ///
    /// # Errors
    /// The first refusal.
    pub(super) async fn validate(&mut self, hooks: &[Hook], objects: &Objects) -> Result<(), ApiError> {
        let mut wanted = Vec::new();
        for hook in hooks {
            if let Some(version) = self.concerns(hook, objects)? {
                wanted.push((hook, version, objects.converted(&self.moment.kinds, self.asked, version)));
            }
        }
        let asked = join_all(wanted.iter().map(|(hook, version, objects)| self.ask(hook, *version, objects, false)));
        let mut refusal = Ok(());
        for ((hook, ..), answer) in wanted.iter().zip(asked.await) {
            let judged = match answer {
                Ok(mut granted) => {
                    self.keep(hook, &mut granted);
                    Ok(())
                }
                Err(Problem::Failed(why)) => self.failed(hook, &why),
                Err(Problem::Refused(error)) => Err(error),
            };
            refusal = refusal.and(judged);
        }
        refusal.map_err(|error| error.warn(self.take_warnings()))
    }
}
