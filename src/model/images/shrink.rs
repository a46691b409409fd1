//! Making one image smaller. It comes from whoever sent it: its size is looked at before it is decoded.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader, Rgb, RgbImage, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use std::io::Cursor;

/// What large providers look at, in points; of what is longer they make an image of this length themselves.
const LONGEST_SIDE: u32 = 1_568;
/// Bytes of a data URL that large providers take.
const MOST: usize = 5_000_000;
/// Points of an image that is decoded at all, and the bytes that it may take.
const MOST_POINTS: u64 = 60_000_000;
const MOST_MEMORY: u64 = 160 << 20;
/// Of JPEG, the best that fits.
const QUALITIES: [u8; 3] = [85, 65, 45];

/// The image as a data URL that large providers take; `None`: it is one already, or it is none that can be decoded within
/// bounds. Blocking.
pub fn smaller(url: &str) -> Option<String> {
    let (head, data) = url.split_once(',')?;
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(data.trim()).ok()?;
    let mut decoder =
        ImageReader::new(Cursor::new(&bytes)).with_guessed_format().ok()?.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let points = u64::from(width) * u64::from(height);
    if points > MOST_POINTS || decoder.total_bytes() > MOST_MEMORY {
        return None;
    }
    let fits = width.max(height) <= LONGEST_SIDE;
    if fits && url.len() <= MOST {
        return None;
    }
    let turned = decoder.orientation().ok()?;
    let mut image = DynamicImage::from_decoder(decoder).ok()?;
    if !fits {
        image = image.thumbnail(LONGEST_SIDE, LONGEST_SIDE);
    }
    image.apply_orientation(turned);
    written(&image)
}

/// As PNG where something shows through, if that is small enough; else as JPEG on white.
fn written(image: &DynamicImage) -> Option<String> {
    if image.color().has_alpha() {
        let image = image.to_rgba8();
        if image.pixels().any(|point| point.0[3] < u8::MAX)
            && let Some(url) = png(&image)
        {
            return Some(url);
        }
        return jpeg(&on_white(&image));
    }
    jpeg(&image.to_rgb8())
}

fn png(image: &RgbaImage) -> Option<String> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgba8).ok()?;
    url("png", &bytes)
}

fn jpeg(image: &RgbImage) -> Option<String> {
    QUALITIES.into_iter().find_map(|quality| {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).ok()?;
        url("jpeg", &bytes)
    })
}

fn url(kind: &str, bytes: &[u8]) -> Option<String> {
    let url = format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes));
    (url.len() <= MOST).then_some(url)
}

fn on_white(image: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0.map(u32::from);
        let over =
            |colour: u32| u8::try_from((colour * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX);
        Rgb([over(red), over(green), over(blue)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgba};

    /// What somebody might send.
    fn sent(image: &DynamicImage, format: ImageFormat) -> String {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        format!("data:{};base64,{}", format.to_mime_type(), BASE64_STANDARD.encode(bytes.into_inner()))
    }

    fn decoded(url: &str) -> (ImageFormat, DynamicImage) {
        let bytes = BASE64_STANDARD.decode(url.split_once(',').unwrap().1).unwrap();
        (image::guess_format(&bytes).unwrap(), image::load_from_memory(&bytes).unwrap())
    }

    /// Left half one colour, right half another.
    fn halves(width: u32, height: u32, left: [u8; 4], right: [u8; 4]) -> DynamicImage {
        let point = |x, _| Rgba(if x < width / 2 { left } else { right });
        DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, point))
    }

    const RED: [u8; 4] = [255, 0, 0, 255];
    const GLASS: [u8; 4] = [0, 0, 255, 0];

    #[test]
    fn every_kind_becomes_small_and_shows_what_it_showed() {
        let image = halves(2_000, 500, RED, [0, 0, 255, 255]);
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let of_kind = if format == ImageFormat::Jpeg { image.to_rgb8().into() } else { image.clone() };
            let made = smaller(&sent(&of_kind, format)).unwrap();
            let (kind, made) = decoded(&made);
            assert_eq!((kind, made.width(), made.height()), (ImageFormat::Jpeg, 1_568, 392), "{format:?}");
            let made = made.to_rgb8();
            let [left, right] = [100, 1_400].map(|x| made.get_pixel(x, 200).0);
            assert!(left[0] > 240 && left[2] < 15 && right[0] < 15 && right[2] > 240, "{left:?} {right:?}");
        }
    }

    #[test]
    fn what_shows_through_still_does() {
        let (kind, made) =
            decoded(&smaller(&sent(&halves(1_600, 1_600, RED, GLASS), ImageFormat::Png)).unwrap());
        assert_eq!((kind, made.to_rgba8().get_pixel(1_500, 9).0[3]), (ImageFormat::Png, 0));
        assert_eq!(on_white(&halves(2, 1, RED, GLASS).to_rgba8()).into_raw(), [255, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn a_photo_stands_as_its_camera_was_held() {
        let url = sent(&halves(2_000, 100, RED, [0, 0, 255, 255]).to_rgb8().into(), ImageFormat::Jpeg);
        let mut bytes = BASE64_STANDARD.decode(url.split_once(',').unwrap().1).unwrap();
        // That it is to be turned by a quarter, clockwise.
        let mut exif =
            b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        assert_eq!(exif.len(), 0x22 + 2);
        exif.extend(bytes.split_off(2));
        bytes.extend(exif);
        let turned = format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(bytes));
        let (_, made) = decoded(&smaller(&turned).unwrap());
        assert_eq!((made.width(), made.height()), (78, 1_568));
        assert!(made.to_rgb8().get_pixel(40, 100).0[0] > 240, "what was left is above");
    }

    #[test]
    fn what_is_small_damaged_or_a_bomb_stays_as_it_is() {
        let small = sent(&halves(1_568, 10, RED, GLASS), ImageFormat::Png);
        let large = sent(&halves(2_000, 2_000, RED, RED), ImageFormat::Png);
        let mut half = BASE64_STANDARD.decode(large.split_once(',').unwrap().1).unwrap();
        half.truncate(half.len() / 2);
        // A header that says 65,000 by 65,000, and next to no data.
        let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xfd\xe8\0\0\xfd\xe8\x08\x06\0\0\0".to_vec();
        let sum = rawzip::crc32(&bomb[12..]);
        bomb.extend(sum.to_be_bytes());
        bomb.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
        let data = |bytes: &[u8]| format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes));
        let cases = [
            ("small", small),
            ("half", data(&half)),
            ("bomb", data(&bomb)),
            ("words", data(b"just words")),
            ("no base64", "data:image/png;base64,%%%".to_owned()),
            ("not encoded", "data:image/svg+xml,<svg/>".to_owned()),
            ("elsewhere", "https://example.org/a.png".to_owned()),
        ];
        for (case, url) in cases {
            assert_eq!(smaller(&url), None, "{case}");
        }
    }
}
