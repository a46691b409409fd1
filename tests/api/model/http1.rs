//! The HTTP/1.1 client against servers that send what they like.

use super::{LONG, local};
use crate::support::{
    certificate::{Certificate, trusting},
    upstream::within,
};
use hermes_gateway::http1::{Client, Content, Error, Response, Stream, Tls, exchange};
use http::{Request, Uri};
use std::{cell::Cell, collections::VecDeque, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// An answer that leaves its connection open.
const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers one request after the other with these bytes, whatever is asked; an answer with `true` closes its connection.
struct Server {
    address: SocketAddr,
    connections: Rc<Cell<usize>>,
}

impl Server {
    async fn start(answers: impl IntoIterator<Item = (Vec<u8>, bool)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&connections);
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        tokio::task::spawn_local(async move {
            while !answers.is_empty() {
                let (mut socket, _) = listener.accept().await.unwrap();
                counted.set(counted.get() + 1);
                while request(&mut socket).await.is_ok() {
                    let (answer, closes) = answers.pop_front().unwrap();
                    let _client_hung_up = socket.write_all(&answer).await;
                    if closes || answers.is_empty() {
                        break;
                    }
                }
            }
        });
        Self { address, connections }
    }

    async fn send(&self, client: &Client, body: Vec<u8>) -> Result<Response, Error> {
        let request = Request::post(format!("http://{}/x?y", self.address)).body(body).unwrap();
        within(client.send(request)).await
    }
}

/// Reads one request.
async fn request(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await?;
    Ok(body)
}

/// Status and body, or the name of what went wrong.
async fn told(answer: Result<Response, Error>) -> String {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => return kind(&error).to_owned(),
    };
    let mut text = response.status.as_str().to_owned() + " ";
    while let Some(piece) = within(response.body.next()).await {
        match piece {
            Ok(piece) => text.push_str(&String::from_utf8(piece).unwrap()),
            Err(error) => return format!("{text} {}", kind(&error)),
        }
    }
    assert!(response.body.next().await.is_none(), "the end is the end");
    text
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unresolved => "unresolved",
        Error::Late => "late",
        Error::Unconnected(_) => "unconnected",
        Error::Stale => "stale",
        Error::Cut => "cut",
        Error::Garbage(_) => "garbage",
        Error::Unsendable(_) => "unsendable",
    }
}

#[tokio::test]
async fn every_answer_is_read_to_its_own_end_and_no_further() {
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    // What comes, whether the server closes then, what is read, whether the connection is used again.
    #[rustfmt::skip]
    let cases: [(&str, bool, &str, bool); 25] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, "200 abc", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", false, "200 abc", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "200 ", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, "204 ", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", false, "200 abc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n", false, "200 abc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false, "200 abc", false),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", false, "200 a", true),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 1\r\n\r\na", false, "302 a", false),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na", false, "404 a", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", true, "200 a", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", true, "200 abc", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nbc", true, "200 a", false),
        ("HTTP/1.0 200 OK\r\n\r\nabc", true, "200 abc", false),
        ("HTTP/1.1 200 OK\r\n\r\nabc", true, "200 abc", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, "200 abc cut", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", true, "200 abc cut", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, "200 abc cut", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\n", true, "200  garbage", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", true, "200  garbage", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", true, "garbage", false),
        ("SSH-2.0-OpenSSH_9.7\r\n\r\n", true, "garbage", false),
        (&long_head, true, "garbage", false),
        (&many_headers, true, "garbage", false),
        ("HTTP/1.1 200 OK\r\nConte", true, "cut", false),
    ];
    local(async {
        for (bytes, closes, expected, is_kept) in cases {
            let what = bytes.get(..120).unwrap_or(bytes);
            let answers = [(bytes.as_bytes().to_vec(), closes), (PLAIN.to_vec(), false)];
            let (server, client) = (Server::start(answers).await, Client::new(LONG));
            assert_eq!(told(server.send(&client, b"{}".to_vec()).await).await, expected, "{what}");
            assert_eq!(told(server.send(&client, b"{}".to_vec()).await).await, "200 ok", "after {what}");
            assert_eq!(server.connections.get() == 1, is_kept, "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_the_same() {
    local(async {
        let bytes = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n\
            defghijklmnopqrs\r\n0\r\nx: y\r\n\r\n";
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::task::spawn_local(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            request(&mut socket).await.unwrap();
            for byte in bytes {
                socket.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            request(&mut socket).await.unwrap();
            socket.write_all(PLAIN).await.unwrap();
        });
        let client = Client::new(LONG);
        for expected in ["200 abcdefghijklmnopqrs", "200 ok"] {
            let request = Request::get(&url).body(Vec::new()).unwrap();
            assert_eq!(told(within(client.send(request)).await).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_unanswered_is_told_from_a_new_one() {
    local(async {
        let cut = (Vec::new(), true);
        let server =
            Server::start([cut.clone(), (PLAIN.to_vec(), false), cut, (PLAIN.to_vec(), false)]).await;
        let client = Client::new(LONG);
        for expected in ["cut", "200 ok", "stale", "200 ok"] {
            assert_eq!(told(server.send(&client, Vec::new()).await).await, expected);
        }
    })
    .await;
}

/// Asks as often as there are questions, all at once.
async fn ask_at_once(client: &Client, url: &str, count: usize) -> Vec<String> {
    let questions = (0..count).map(|_| client.send(Request::post(url).body(b"{}".to_vec()).unwrap()));
    let answers = within(futures_util::future::join_all(questions)).await;
    futures_util::future::join_all(answers.into_iter().map(told)).await
}

#[tokio::test]
async fn a_question_on_which_a_server_hangs_up_does_not_use_up_its_connections() {
    local(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (heard, all_heard) = (Rc::new(Cell::new(0)), Rc::new(tokio::sync::Barrier::new(4)));
        let counted = Rc::clone(&heard);
        tokio::task::spawn_local(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (heard, all_heard) = (Rc::clone(&counted), Rc::clone(&all_heard));
                tokio::task::spawn_local(async move {
                    request(&mut socket).await.unwrap();
                    if heard.get() < 4 {
                        heard.set(heard.get() + 1);
                        // Nobody is answered while a connection could be used twice.
                        all_heard.wait().await;
                        socket.write_all(PLAIN).await.unwrap();
                        request(&mut socket).await.unwrap();
                    }
                    heard.set(heard.get() + 1);
                });
            }
        });
        let client = Client::new(LONG);
        assert_eq!(ask_at_once(&client, &url, 4).await, ["200 ok"; 4]);
        assert_eq!(ask_at_once(&client, &url, 1).await, ["stale"]);
        assert_eq!(ask_at_once(&client, &url, 1).await, ["cut"], "over a new connection");
        assert_eq!(heard.get(), 6);
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_nothing_is_not_taken_for_the_next_one() {
    local(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (answered, is_answered) = std::sync::mpsc::channel::<()>();
        let (smuggled, is_smuggled) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut first, _) = listener.accept().unwrap();
            assert!(first.read(&mut [0; 4096]).unwrap() > 0);
            first.write_all(PLAIN).unwrap();
            is_answered.recv().unwrap();
            first.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
            smuggled.send(()).unwrap();
            let (mut second, _) = listener.accept().unwrap();
            assert!(second.read(&mut [0; 4096]).unwrap() > 0);
            second.write_all(PLAIN).unwrap();
        });
        let client = Client::new(LONG);
        let ask =
            || async { told(within(client.send(Request::get(&url).body(Vec::new()).unwrap())).await).await };
        assert_eq!(ask().await, "200 ok");
        answered.send(()).unwrap();
        // The thread stands still, so that its runtime does not hear of it.
        is_smuggled.recv().unwrap();
        assert_eq!(ask().await, "200 ok");
        server.join().unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_whole_request_is_read() {
    local(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (finished, until_finished) = oneshot::channel::<()>();
        tokio::task::spawn_local(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let refusal = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nbig";
            socket.write_all(refusal).await.unwrap();
            // Reads nothing and stays.
            let _sender_is_dropped = until_finished.await;
        });
        let client = Client::new(LONG);
        let request = Request::post(&url).body(vec![b'x'; 32 << 20]).unwrap();
        assert_eq!(told(within(client.send(request)).await).await, "413 big");
        drop(finished);
    })
    .await;
}

#[tokio::test]
async fn a_body_in_pieces_arrives_as_one() {
    local(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let client = Client::new(LONG);
        // More than a socket takes at once, and as little as nothing.
        for (own, shared) in [(3 << 20, 5 << 20), (0, 1 << 20), (1, 0), (0, 0)] {
            let (own, shared) = (vec![b'a'; own], vec![b'b'; shared]);
            let whole = [&own[..], &shared, b"}"].concat();
            let content = Content { own, shared: &shared, end: b"}" };
            let asked = Box::pin(client.send(Request::post(&url).body(content).unwrap()));
            let heard = async {
                let (mut socket, _) = listener.accept().await.unwrap();
                let body = request(&mut socket).await.unwrap();
                socket
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await
                    .unwrap();
                body
            };
            let (answer, body) = within(async { tokio::join!(asked, heard) }).await;
            assert!(answer.is_ok() && body == whole, "{} of {}", body.len(), whole.len());
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_drops_a_body_or_a_question_hangs_up() {
    local(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let client = Client::new(LONG);
        for begins in [true, false] {
            let ask = Box::pin(client.send(Request::get(&url).body(Vec::new()).unwrap()));
            let answer = async {
                let (mut socket, _) = listener.accept().await.unwrap();
                request(&mut socket).await.unwrap();
                if begins {
                    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na").await.unwrap();
                }
                socket
            };
            let mut socket = if begins {
                let (response, socket) = within(async { tokio::join!(ask, answer) }).await;
                drop(response);
                socket
            } else {
                tokio::select! { _ = ask => unreachable!("nothing comes"), socket = answer => socket }
            };
            assert_eq!(within(socket.read(&mut [0; 1])).await.unwrap(), 0, "{begins}");
        }
    })
    .await;
}

/// Takes a handshake and answers every request with its own body.
async fn echo(listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
    let (socket, _) = listener.accept().await.unwrap();
    let Ok(mut socket) = tokio_rustls::TlsAcceptor::from(tls).accept(socket).await else { return };
    answer_with_the_body(&mut socket).await.unwrap();
}

async fn answer_with_the_body(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let body = request(socket).await?;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&body).await?;
    socket.flush().await
}

#[tokio::test]
async fn over_tls_megabytes_come_back_as_they_were_and_strangers_get_nothing() {
    local(async {
        let certificate = Certificate::new();
        let text: String = (0..400_000).map(|n| format!("{n:07} ")).collect();
        for is_trusted in [true, false] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let uri: Uri = format!("https://{address}/").parse().unwrap();
            let server = tokio::task::spawn_local(echo(listener, certificate.server()));
            let tls = if is_trusted { Tls::from(trusting(&[&certificate])) } else { Tls::default() };
            let tcp = TcpStream::connect(address).await.unwrap();
            let stream = within(Stream::over(tcp, &uri, &tls)).await;
            if is_trusted {
                let request = Request::post(&uri).body(text.clone().into_bytes()).unwrap();
                let answer = within(exchange(stream.unwrap(), request)).await;
                assert!(told(answer).await == format!("200 {text}"));
            } else {
                let error = stream.err().unwrap();
                assert!(error.to_string().contains("UnknownIssuer"), "{error}");
            }
            within(server).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_leads_nowhere_is_told() {
    local(async {
        let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        // Takes connections, and never says a word.
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let cases = [
            (format!("http://{free}/"), LONG, "unconnected"),
            ("/nowhere".to_owned(), LONG, "unsendable"),
            (format!("https://{}/", silent.local_addr().unwrap()), Duration::from_millis(50), "late"),
        ];
        for (url, limit, expected) in cases {
            let request = Request::get(&url).body(Vec::new()).unwrap();
            assert_eq!(told(within(Client::new(limit).send(request)).await).await, expected, "{url}");
        }
    })
    .await;
}
