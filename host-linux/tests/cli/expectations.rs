//! `towpath replay … --conntrack … expect`: what the gateway of a replay expects, asked as conntrack 1.4.7 is, whose words these are.

use crate::program::{Place, Said, towpath};

const RULES: &str = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n";

/// Asks a gateway, with a helper for FTP, that has seen so many packets of a capture. The first data connection is announced then.
fn ask(capture: &str, packets: u32, question: &str) -> Said {
    let place = Place::new(&[("rules.v4", RULES)]);
    place.towpath(&format!("replay @{capture} -r rules.v4 --until {packets} --conntrack {question}"))
}

/// The same over IPv4.
fn ask4(question: &str) -> Said {
    ask("ftp-pasv-inside.pcap", 30, question)
}

/// The same over IPv6.
fn ask6(question: &str) -> Said {
    ask("ftp-ipv6.pcap", 16, question)
}

const LINE: &str = "proto=6 src=192.168.1.10 dst=198.51.100.7 sport=0 dport=50071 mask-src=255.255.255.255 \
                    mask-dst=255.255.255.255 sport=0 dport=65535 master-src=192.168.1.10 master-dst=198.51.100.7 \
                    sport=58454 dport=21 class=0 helper=ftp\n";

const XML: &str = "<layer3 protonum=\"2\" protoname=\"ipv4\"><expected><src>192.168.1.10</src><dst>198.51.100.7</dst></expected>\
                   <mask><src>255.255.255.255</src><dst>255.255.255.255</dst></mask>\
                   <master><src>192.168.1.10</src><dst>198.51.100.7</dst></master></layer3>\
                   <layer4 protonum=\"6\" protoname=\"tcp\"><expected><sport>0</sport><dport>50071</dport></expected>\
                   <mask><sport>0</sport><dport>65535</dport></mask><master><sport>58454</sport><dport>21</dport></master>\
                   </layer4><meta><helper-name>ftp</helper-name>";

const XML_START: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n";

#[test]
fn expectations_are_listed_as_lines_or_as_xml_whatever_else_is_asked_for() {
    let line = format!("300 {LINE}");
    for question in ["-L expect", "-L expect -o extended", "-L expect -o id,ktimestamp", "-L expect -o save"] {
        let said = ask4(question);
        assert_eq!((said.code, said.out.as_str()), (Some(0), line.as_str()), "{question}");
        assert_eq!(said.err, "towpath: 1 expectations have been shown.\n", "{question}");
    }
    let xml = format!("{XML_START}<flow>{XML}<timeout>300</timeout><class>0</class></meta></flow>\n</expect>\n");
    assert_eq!(ask4("-L expect -o xml").out, xml);
    let stamped = ask4("-L expect -o timestamp").out;
    let (time, rest) = stamped.split_once('\t').expect("a time before it");
    assert!(time.starts_with("[1795380743.14") && time.ends_with(']'), "{time}");
    assert_eq!(rest, line);
    let when = "<when><hour>20</hour><min>52</min><sec>23</sec><wday>1</wday><day>22</day><month>11</month><year>2026</year></when>";
    assert_eq!(ask4("-L expect -o timestamp,xml").out, xml.replace("</meta>", &format!("{when}</meta>")));
}

#[test]
fn what_happens_to_expectations_is_told_in_the_same_ways() {
    let told = |question: &str| ask("ftp-pasv-inside.pcap", 32, question);
    let lines = format!("    [NEW] 300 {LINE}[DESTROY] 299 {LINE}");
    for question in ["-E expect", "-E expect -o save", "-E expect -o extended,id"] {
        let said = told(question);
        assert_eq!(
            (said.out.as_str(), said.err.as_str()),
            (lines.as_str(), "towpath: 2 expectation events have been shown.\n")
        );
    }
    let flow = |change: &str, secs: u32| {
        format!("<flow type=\"{change}\">{XML}<timeout>{secs}</timeout><class>0</class></meta></flow>\n")
    };
    assert_eq!(
        told("-E expect -o xml").out,
        [XML_START, &flow("new", 300), &flow("destroy", 299), "</expect>\n"].concat()
    );
    assert_eq!(told("-E expect -o timestamp").out.matches("\t").count(), 2);
}

#[test]
fn those_of_ipv4_are_listed_and_counted_unless_others_are_asked_for() {
    assert_eq!(ask4("-L expect -f ipv4").out, ask4("-L expect").out);
    assert_eq!((ask4("-L expect -f ipv6").out.as_str(), ask4("-L expect -f ipv6 -o xml").out.as_str()), ("", ""));
    assert_eq!(ask6("-L expect").err, "towpath: 0 expectations have been shown.\n");
    let mask = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    assert_eq!(
        ask6("-L expect -f ipv6").out,
        format!(
            "300 proto=6 src=fd00:1::10 dst=2001:db8:2::7 sport=0 dport=50066 mask-src={mask} mask-dst={mask} sport=0 \
             dport=65535 master-src=fd00:1::10 master-dst=2001:db8:2::7 sport=52522 dport=21 class=0 helper=ftp\n"
        )
    );
    assert!(
        ask6("-L expect -f ipv6 -o xml").out.contains("<flow><layer3 protonum=\"10\" protoname=\"ipv6\"><expected>")
    );
    assert_eq!(ask6("-E expect").out.lines().count(), 1);
    assert_eq!((ask4("-C expect").fine().as_str(), ask6("-C expect").fine().as_str()), ("1\n", "0\n"));
}

#[test]
fn what_has_been_counted_of_expectations_is_told() {
    let counted = |packets| ask("ftp-pasv-inside.pcap", packets, "-S expect").fine();
    assert_eq!(counted(30), "cpu=0   \texpect_new=0 expect_create=1 expect_delete=0 \n");
    assert_eq!(counted(32), "cpu=0   \texpect_new=1 expect_create=1 expect_delete=1 \n");
}

#[test]
fn the_expectation_that_a_packet_would_fulfil_is_shown_or_the_answer_is_no() {
    let get = |rest: &str| ask4(&format!("-G expect -p tcp -s 192.168.1.10 -d 198.51.100.7 {rest}"));
    let answers = "--reply-port-src 1 --reply-port-dst 1";
    // The port that it comes from does not count; conntrack tells no number here.
    let found = get(&format!("--sport 77 --dport 50071 {answers} -r 1.1.1.1")).fine();
    assert_eq!(found, format!("300 {LINE}"));
    let other = get(&format!("--sport 77 --dport 50072 {answers}"));
    assert_eq!((other.code, other.out.as_str()), (Some(1), ""));
    assert_eq!(other.err, "towpath: Operation failed: No such file or directory\n");
}

/// Each is what conntrack 1.4.7 says of the same options, with exit code 2 too.
#[test]
fn options_that_do_not_go_with_expectations_are_refused() {
    let illegal = [
        ("-L expect -p tcp", "protonum"),
        ("-L expect -s 10.0.0.5", "src"),
        ("-L expect -e NEW", "event-mask"),
        ("-L expect -z", "zero"),
        ("-E expect -e NEW", "event-mask"),
        ("-E expect -f ipv4", "family"),
        ("-E expect -z", "zero"),
        ("-C expect -f ipv6", "family"),
        ("-S expect -o id", "output"),
        ("-F expect -f ipv4", "family"),
        ("-F expect -o xml", "output"),
        ("-G expect -p udp -s 10.0.0.5 -d 10.0.0.6 -f ipv4", "family"),
        ("-G expect -p udp -s 10.0.0.5 -d 10.0.0.6 -o xml", "output"),
        ("-G expect -p udp -s 10.0.0.0/8 -d 10.0.0.6", "mask-src"),
        ("-G expect -p udp -s 10.0.0.5 -d 10.0.0.6 -w 1", "zone"),
        ("-G expect -p icmp -s 10.0.0.5 -d 10.0.0.6 --icmp-type 8", "icmp-type"),
        ("-D expect -p udp -s 10.0.0.5 -d 10.0.0.6 -t 4", "timeout"),
        ("-D expect -p udp -s 10.0.0.5 -d 10.0.0.6 -m 1", "mark"),
    ];
    let illegal =
        illegal.map(|(question, option)| (question, format!("Illegal option `--{option}' with this command")));
    let needed = [
        ("-G expect", "src"),
        ("-G expect -p udp -d 10.0.0.6", "src"),
        ("-D expect -p udp -s 10.0.0.5", "dst"),
        ("-D expect -s 10.0.0.5 -d 10.0.0.6", "protonum"),
        ("-G expect -p udp -s 10.0.0.5 -d 10.0.0.6", "sport"),
        ("-G expect -p tcp -s 10.0.0.5 -d 10.0.0.6 --sport 1 --dport 2 --state ESTABLISHED", "reply-port-src"),
        ("-D expect -p gre -s 10.0.0.5 -d 10.0.0.6 --srckey 1 --dstkey 2", "reply-key-src"),
    ];
    let needed = needed
        .map(|(question, option)| (question, format!("You need to supply the `--{option}' option for this command")));
    let others = [
        ("-U expect -p tcp", "Can't do --update on expectations"),
        ("-E expect --dport 5", "unknown option `--dport'"),
    ];
    let others = others.map(|(question, words)| (question, words.to_owned()));
    for (question, words) in illegal.into_iter().chain(needed).chain(others) {
        assert_eq!(towpath(&format!("conntrack {question}")).wrong(), format!("towpath: {words}"), "{question}");
        if ["-F", "-D", "-U"].iter().all(|change| !question.starts_with(change)) {
            assert_eq!(ask4(question).wrong(), format!("towpath: {words}"), "{question}");
        }
    }
    assert!(ask4("-L expect -o save,id").wrong().ends_with("use -o save only"));
}
