use super::*;
use actix_web::{HttpRequest, HttpResponse, web};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};

/// What the test ports mark their connections with.
#[derive(Clone)]
struct Owner {
    name: &'static str,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

fn owner(name: &'static str) -> Owner {
    Owner { name, entered: Arc::default(), release: Arc::default() }
}

async fn who(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().body(request.conn_data::<Owner>().unwrap().name)
}

async fn wait(request: HttpRequest) -> HttpResponse {
    let owner = request.conn_data::<Owner>().unwrap().clone();
    owner.entered.notify_one();
    owner.release.notified().await;
    HttpResponse::Ok().body("waited")
}

async fn burst() -> HttpResponse {
    panic!("a handler that panics")
}

fn app() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .route("/who", web::get().to(who))
        .route("/wait", web::get().to(wait))
        .route("/burst", web::get().to(burst))
}

fn bind() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

fn port(socket: TcpListener, owner: &Owner) -> Port {
    let owner = owner.clone();
    Port { socket, mark: Arc::new(move |connection| drop(connection.insert(owner.clone()))), tls: None }
}

fn plane(workers: usize, per_port: usize, in_all: usize) -> Plane {
    Plane::start(workers, &Limits::new(per_port, in_all), app)
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n").as_bytes()).await.unwrap();
    answer(stream).await
}

/// Status line's code and body of one answer with a length; empty when the connection ended before it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return format!("{} {body}", &head[9..12]);
            }
        }
        if stream.read_buf(&mut got).await.unwrap_or(0) == 0 {
            return String::new();
        }
    }
}

async fn once(addr: SocketAddr, path: &str) -> String {
    ask(&mut TcpStream::connect(addr).await.unwrap(), path).await
}

#[actix_web::test]
async fn each_port_answers_for_its_own() {
    let plane = plane(2, 10, 100);
    let mut open = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let (socket, addr) = bind();
        let place = plane.place().unwrap();
        open.push((name, addr, place.serve(port(socket, &owner(name))).await.unwrap(), place));
    }
    let numbers: Vec<_> = open.iter().map(|(_, _, _, place)| place.number()).collect();
    assert_eq!(numbers, [0, 1, 0], "the least loaded worker takes the next");
    for (name, addr, _, _) in &open {
        assert_eq!(once(*addr, "/who").await, format!("200 {name}"));
    }
    drop(open);
    plane.stop().await;
}

#[actix_web::test]
async fn a_closed_port_leaves_its_neighbours_and_their_requests_alone() {
    let plane = plane(1, 10, 100);
    let place = plane.place().unwrap();
    let ((one, one_addr), (two, two_addr)) = (bind(), bind());
    let bob = owner("bob");
    let first = place.serve(port(one, &owner("alice"))).await.unwrap();
    let second = place.serve(port(two, &bob)).await.unwrap();

    let waiting = actix_rt::spawn(once(two_addr, "/wait"));
    bob.entered.notified().await;
    let socket = first.close().await.unwrap();
    // Still bound: a client that comes now waits in the kernel's queue, and is served by the next owner.
    let early = actix_rt::spawn(once(one_addr, "/who"));
    let first = place.serve(port(socket, &owner("alice again"))).await.unwrap();
    assert_eq!(early.await.unwrap(), "200 alice again");

    drop(first.close().await);
    assert!(TcpStream::connect(one_addr).await.is_err(), "the port is closed");
    bob.release.notify_one();
    assert_eq!(waiting.await.unwrap(), "200 waited");
    drop((second, place));
    plane.stop().await;
}

#[actix_web::test]
async fn closing_waits_for_a_request_under_way() {
    let plane = plane(1, 10, 100);
    let place = plane.place().unwrap();
    let (socket, addr) = bind();
    let alice = owner("alice");
    let listener = place.serve(port(socket, &alice)).await.unwrap();
    let waiting = actix_rt::spawn(once(addr, "/wait"));
    alice.entered.notified().await;
    let closing = actix_rt::spawn(listener.close());
    alice.release.notify_one();
    assert_eq!(waiting.await.unwrap(), "200 waited");
    assert!(closing.await.unwrap().is_some());
    drop(place);
    plane.stop().await;
}

#[actix_web::test]
async fn a_panic_in_a_handler_costs_its_own_connection_only() {
    let plane = plane(1, 10, 100);
    let place = plane.place().unwrap();
    let (socket, addr) = bind();
    let alice = owner("alice");
    let listener = place.serve(port(socket, &alice)).await.unwrap();
    let waiting = actix_rt::spawn(once(addr, "/wait"));
    alice.entered.notified().await;
    for _ in 0..3 {
        assert_eq!(once(addr, "/burst").await, "");
    }
    assert_eq!(once(addr, "/who").await, "200 alice");
    alice.release.notify_one();
    assert_eq!(waiting.await.unwrap(), "200 waited");
    drop((listener, place));
    plane.stop().await;
}

#[actix_web::test]
async fn over_the_limits_a_connection_is_told_so_and_closed() {
    for (case, per_port, in_all) in [("of the port", 1, 100), ("of the machine", 100, 1)] {
        let plane = plane(1, per_port, in_all);
        let place = plane.place().unwrap();
        let (socket, addr) = bind();
        let listener = place.serve(port(socket, &owner("alice"))).await.unwrap();
        let mut held = TcpStream::connect(addr).await.unwrap();
        assert_eq!(ask(&mut held, "/who").await, "200 alice", "{case}");

        let mut refused = TcpStream::connect(addr).await.unwrap();
        let told = answer(&mut refused).await;
        assert!(
            told.starts_with("503 ") && told.contains(r#""code":"profile_unavailable""#),
            "{case}: {told}"
        );
        assert_eq!(refused.read(&mut [0; 1]).await.unwrap(), 0, "{case}: then it ends");
        assert_eq!(ask(&mut held, "/who").await, "200 alice", "{case}: who is in stays in");

        drop(held);
        // The place is free as soon as the worker has seen the end; until then the answer is the refusal.
        while once(addr, "/who").await != "200 alice" {}
        drop((listener, place));
        plane.stop().await;
    }
}

#[actix_web::test]
async fn a_job_that_panics_ends_alone() {
    let plane = plane(1, 10, 100);
    let place = plane.place().unwrap();
    assert!(place.run(|| async { panic!("a job that panics") }).await.is_err());
    assert_eq!(place.run(|| async { 7 }).await.unwrap(), 7);
    drop(place);
    plane.stop().await;
}
