//! `vision_analyze`: a question about an image, put to a model that sees.

use super::{
    arguments::Arguments, failure::Failure, files::image_kind, ground::Ground, toolbox::CallContext, web,
};
use crate::{
    domain::{ImageUrl, Look, SessionId, ToolOutput},
    sandbox::Jail,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use std::{io::Read as _, sync::Arc};

/// Bytes of an image that is looked at. What an upstream finds too large is made smaller; what is larger than this would be
/// too long on its way there.
const LARGEST: usize = 20 << 20;

pub async fn call(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    arguments: &Arguments<'_>,
) -> Result<ToolOutput, Failure> {
    let named = arguments.filled("image_url")?.trim();
    let question = arguments.filled("question")?.to_owned();
    let port = context.behalf.as_ref().map(|behalf| behalf.port).ok_or_else(Failure::no_turn)?;
    context.clearance().await?;
    let is_url = named.starts_with("http://") || named.starts_with("https://");
    let image = async {
        if is_url {
            let reach = ground.egress.reach(context.run);
            web::image(reach, named, LARGEST, ground.config.web.timeout).await
        } else {
            read(ground.clone(), context.session.clone(), named.to_owned()).await
        }
    };
    let image = context.stop.run_until_cancelled(image).await.ok_or_else(Failure::stopped)??;
    let kind = kind(&image).ok_or_else(|| {
        Failure::new("not_an_image", format!("`{named}` is no PNG, JPEG, GIF or WebP image"))
    })?;
    let url = format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(&image));
    let look = Look { image: ImageUrl { url, detail: None }, question };
    let seen = port.look(look).await.map_err(|declined| Failure::new(declined.code, declined.message))?;
    Ok(ToolOutput::from(json!({ "analysis": seen })))
}

/// An image of the session's folders.
async fn read(ground: Arc<Ground>, session: SessionId, path: String) -> Result<Vec<u8>, Failure> {
    let work = move |jail: &Jail| {
        let (file, _) = jail.locate(&path)?.open()?;
        let mut bytes = Vec::new();
        let read = file.take(LARGEST as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::io(&format!("`{path}`"), &error))?;
        if bytes.len() > LARGEST {
            return Err(Failure::new("too_large", format!("`{path}` has more than {} MiB", LARGEST >> 20)));
        }
        Ok(bytes)
    };
    let task = tokio::task::spawn_blocking(move || {
        let done = ground.jail(&session)?.enter(work);
        done.unwrap_or_else(|error| Err(Failure::io("the agent's rights could not be taken on", &error)))
    });
    task.await.unwrap_or_else(|_panic| Err(Failure::internal("the tool failed unexpectedly")))
}

/// As media types call it; what upstreams read.
fn kind(image: &[u8]) -> Option<&'static str> {
    match image_kind(image)? {
        "PNG" => Some("png"),
        "JPEG" => Some("jpeg"),
        "GIF" => Some("gif"),
        "WebP" => Some("webp"),
        _ => None,
    }
}
