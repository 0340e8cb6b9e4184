// Says what is typed through wslink.say.hello, and shows what anybody said: it comes back on a topic that all windows hear.
const query = new URLSearchParams(location.search);
const generation = query.get("generation") === "1" ? 1 : 2;
const topic = "wslink.communication.channel";
const element = (id) => document.getElementById(id);

element(`generation-${generation}`).setAttribute("aria-current", "page");
for (const each of [1, 2]) {
  const other = new URLSearchParams(query);
  other.set("generation", each);
  element(`generation-${each}`).href = `?${other}`;
}

function show(text) {
  const line = document.createElement("li");
  line.textContent = text;
  element("messages").append(line);
  line.scrollIntoView();
}

function connected(yes, state) {
  element("state").textContent = state;
  for (const id of ["send", "start", "stop"]) element(id).disabled = !yes;
}

/** The client of the wanted generation; npm brings it as a script that leaves `wslink` behind. */
function loadClient() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `built/wslink${generation}.js`;
    script.onload = () => resolve(globalThis.wslink);
    script.onerror = () => reject(new Error("the wslink clients are missing: npm ci && npm run build in tests/chat-rpc-pub-sub"));
    document.head.append(script);
  });
}

try {
  const wslink = await loadClient();
  const config = { application: "chat" };
  const secret = query.get("token");
  if (secret) config.secret = secret;
  const link = wslink.SmartConnect.newInstance({ config });
  link.onConnectionError(() => connected(false, "no connection"));
  link.onConnectionClose(() => connected(false, "disconnected"));
  link.onConnectionReady((connection) => {
    const session = connection.getSession();
    session.subscribe(topic, ([message]) => show(message));
    element("say").onsubmit = (event) => {
      event.preventDefault();
      const text = element("text").value;
      if (text) session.call("wslink.say.hello", [text]).catch((error) => show(`not sent: ${error.message}`));
      element("text").value = "";
    };
    element("start").onclick = () => session.call("wslink.start.talking");
    element("stop").onclick = () => session.call("wslink.stop.talking");
    connected(true, "connected");
  });
  link.connect();
} catch (error) {
  connected(false, error.message);
}
