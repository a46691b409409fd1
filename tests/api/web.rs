//! Pages and search: what the agent brings from the web, and what it does not reach.

use crate::support::{House, Plan, called, site::Site};
use serde_json::{Value, json};

/// A house whose agent may reach the site and nothing else of this machine.
async fn house(site: &Site, more: &str) -> House {
    let port = site.port();
    let config = format!("terminal:\n  network_allow: ['127.0.0.1:{port}']\n{more}");
    House::with(Plan::config(&config)).await
}

#[actix_web::test]
async fn pages_come_as_markdown_in_order_with_a_reason_for_each_that_does_not() {
    let site = Site::start().await;
    let house = house(&site, "").await;
    let alice = house.alice().await;
    let urls =
        [site.at("/page"), site.at("/none"), "ftp://h/x".to_owned(), site.at("/to/page"), site.at("/latin")];
    let got = called(&house, &alice, "web_extract", json!({"urls": urls})).await;
    let results = got["results"].as_array().unwrap();
    assert_eq!(results[0]["title"], "A page");
    assert_eq!(results[0]["content"], format!("# Hello\n\n[next]({})", site.at("/next")));
    assert_eq!(results[0]["error"], Value::Null);
    assert!(results[1]["error"].as_str().unwrap().contains("404"), "{got}");
    assert_eq!(results[2]["code"], "unsupported_scheme");
    assert_eq!(
        (&results[3]["final_url"], &results[3]["title"]),
        (&json!(site.at("/page")), &json!("A page"))
    );
    assert_eq!(results[4]["content"], "grüß");
    assert!(got["notice"].as_str().unwrap().contains("data"), "{got}");
    house.close().await;
}

#[actix_web::test]
async fn no_page_leads_the_gateway_to_where_the_agent_may_not_go() {
    let site = Site::start().await;
    let house = house(&site, "").await;
    let alice = house.alice().await;
    let own = house.base("bob").await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inside = format!("http://127.0.0.1:{}/", other.local_addr().unwrap().port());
    let to = |url: &str| site.at(&format!("/to?{url}"));
    let cases = [
        ("http://169.254.169.254/latest/".to_owned(), "network_refused"),
        (to("http://169.254.169.254/latest/"), "network_refused"),
        (to("http://[::ffff:169.254.169.254]/"), "network_refused"),
        (to(&format!("{own}/health")), "network_refused"),
        (inside.clone(), "network_refused"),
        (to(&inside), "network_refused"),
        (to("http://10.0.0.1/"), "network_refused"),
        (to("file:///etc/passwd"), "unsupported_scheme"),
        (to("//user:word@127.0.0.1/"), "unsupported_url"),
        (site.at("/circle"), "too_many_redirects"),
        ("http://user:word@127.0.0.1/".to_owned(), "unsupported_url"),
        ("http:///".to_owned(), "invalid_arguments"),
        ("x".repeat(9_000), "invalid_arguments"),
    ];
    for (url, code) in cases {
        let got = called(&house, &alice, "web_extract", json!({"urls": [url]})).await;
        assert_eq!(got["results"][0]["code"], code, "{url}: {got}");
        assert_eq!(got["results"][0].get("content"), None, "{url}");
    }
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nobody came to the port that is not listed");
    house.close().await;
}

#[actix_web::test]
async fn what_has_no_end_is_cut_and_what_is_no_text_is_named() {
    let site = Site::start().await;
    let house = house(&site, "web:\n  timeout: 2\n").await;
    let alice = house.alice().await;
    for path in ["/endless", "/bomb"] {
        let urls = json!({"urls": [site.at(path)], "char_limit": 1000});
        let got = called(&house, &alice, "web_extract", urls).await;
        let page = &got["results"][0];
        assert_eq!(page["truncated"], true, "{path}");
        assert_eq!(page["content"].as_str().unwrap().len(), 1000, "{path}");
        assert_eq!(page["total_chars"], 5 << 20, "{path}: what was read");
        assert!(page["hint"].as_str().unwrap().contains("5 MiB"), "{path}");
    }
    let cases = [("/slow", "timeout"), ("/silent", "timeout"), ("/binary", "unsupported_content")];
    for (path, code) in cases {
        let got = called(&house, &alice, "web_extract", json!({"urls": [site.at(path)]})).await;
        assert_eq!(got["results"][0]["code"], code, "{path}: {got}");
    }
    let got = called(&house, &alice, "web_extract", json!({"urls": [site.at("/unframed")]})).await;
    assert_eq!(got["results"][0]["content"], "words", "to the end of its connection: {got}");
    house.close().await;
}

#[actix_web::test]
async fn a_stop_ends_a_page_that_does_not_come() {
    let site = Site::start().await;
    let house = house(&site, "").await;
    let alice = house.alice().await;
    let run = alice.run(&format!("@@tool web_extract {}", json!({"urls": [site.at("/silent")]}))).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    site.asked("/silent").await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    events.until("run.cancelled").await;
    house.close().await;
}

#[actix_web::test]
async fn arguments_of_a_wrong_type_are_named_and_nothing_is_fetched() {
    let site = Site::start().await;
    let house = house(&site, "").await;
    let alice = house.alice().await;
    let page = site.at("/page");
    for arguments in [
        json!({}),
        json!({"urls": []}),
        json!({"urls": page}),
        json!({"urls": [5]}),
        json!({"urls": vec![&page; 6]}),
        json!({"urls": [page], "char_limit": "all"}),
        json!({"urls": [page], "char_limit": 0}),
    ] {
        let got = called(&house, &alice, "web_extract", arguments.clone()).await;
        assert_eq!(got["code"], "invalid_arguments", "{arguments}: {got}");
    }
    assert_eq!(site.seen(), [""; 0]);
    house.close().await;
}

#[actix_web::test]
async fn a_profile_without_network_has_no_pages_and_one_without_a_service_no_search() {
    let house = House::with(Plan::config("terminal:\n  network: off\n")).await;
    let alice = house.alice().await;
    let sets = alice.get("/v1/toolsets").await.body;
    let web = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "web").unwrap();
    assert_eq!((&web["tools"], &web["enabled"]), (&json!([]), &json!(false)));
    assert!(web["missing"]["web_extract"].as_str().unwrap().contains("terminal.network"), "{web}");
    assert!(web["missing"]["web_search"].as_str().unwrap().contains("web.search"), "{web}");
    house.close().await;
}

#[actix_web::test]
async fn each_search_service_is_asked_in_its_own_way_and_answers_alike() {
    let site = Site::start().await;
    let services = [
        ("searxng", "", "/search?q=rust+%26+c&format=json"),
        ("brave", "x-subscription-token: a-secret-key", "/web/search?q=rust+%26+c&count=2"),
        ("tavily", "authorization: Bearer a-secret-key", "/search"),
    ];
    for (provider, header, asked) in services {
        let key = if header.is_empty() { "" } else { "    api_key: a-secret-key\n" };
        let address = site.at(&format!("/{provider}"));
        let more = format!("web:\n  search:\n    provider: {provider}\n    base_url: {address}\n{key}");
        let house = House::with(Plan::config(&more)).await;
        let alice = house.alice().await;
        let got = called(&house, &alice, "web_search", json!({"query": "rust & c", "limit": 2})).await;
        let first =
            json!({"position": 1, "title": "One", "url": "https://one.example/", "description": "first"});
        assert_eq!(got["results"][0], first, "{provider}: {got}");
        assert_eq!(got["results"].as_array().unwrap().len(), 2, "{provider}");
        let seen = site.seen();
        assert_eq!(seen.last().unwrap(), &format!("/{provider}{asked}"));
        assert!(site.heads().last().unwrap().contains(header), "{provider}: {:?}", site.heads().last());
        let shown = alice.get("/v1/runs").await.text + &alice.get("/api/config").await.text;
        assert!(!shown.contains("a-secret-key"), "{provider}");
        house.close().await;
    }
}
