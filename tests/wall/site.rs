//! A small web server on the machine's loopback, outside of every sandbox.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Serves fixed pages until the test ends. A path that it does not have is 404; `/silence` is never answered.
pub struct Site {
    pub port: u16,
    pages: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    /// Paths that were asked for.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub fn new(pages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let site = Self { port, pages: Arc::default(), asked: Arc::default() };
        for (path, text) in pages {
            site.put(path, text.as_bytes());
        }
        let (pages, asked) = (site.pages.clone(), site.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, asked) = (pages.clone(), asked.clone());
                // A client that breaks off is its own affair.
                thread::spawn(move || drop(answer(stream, &pages, &asked)));
            }
        });
        site
    }

    pub fn put(&self, path: &str, text: &[u8]) {
        self.pages.lock().unwrap().insert(path.to_owned(), text.to_vec());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn was_asked(&self, path: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked == path)
    }
}

fn answer(
    stream: TcpStream,
    pages: &Mutex<HashMap<String, Vec<u8>>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            lines.push(line);
        }
        let path = lines[0].split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().to_owned();
        asked.lock().unwrap().push(path.clone());
        if path == "/silence" {
            // Until the other side is gone.
            let gone = reader.read(&mut [0]).is_ok_and(|read| read == 0);
            asked.lock().unwrap().push(format!("gone {gone}"));
            return Ok(());
        }
        let page = pages.lock().unwrap().get(&path).cloned();
        let (status, page) = page.map_or(("404 Not Found", Vec::new()), |page| ("200 OK", page));
        let kind = if path.starts_with("/simple") { "text/html" } else { "application/octet-stream" };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: {kind}\r\n\r\n", page.len());
        let body = if lines[0].starts_with("HEAD") { Vec::new() } else { page };
        reader.get_mut().write_all(&[head.into_bytes(), body].concat())?;
    }
}
