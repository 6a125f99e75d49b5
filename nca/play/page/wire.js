// The connection to the automaton: messages go up, frames come down, one at a time.

const decoder = new TextDecoder();
const listeners = new Map();

export const token = new URLSearchParams(location.search).get("token") ?? "";
export const now = { about: null, head: null };

export function on(kind, listener) {
  if (!listeners.has(kind)) listeners.set(kind, []);
  listeners.get(kind).push(listener);
}

export function emit(kind, message) {
  for (const listener of listeners.get(kind) ?? []) listener(message);
}

let socket = null;

export function send(type, rest = {}) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, ...rest }));
}

export function act(event) {
  send("act", { event });
}

export function connect() {
  const address = new URL("talk", location.href); // beside the page, whatever a proxy puts before
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = new URLSearchParams({ token });
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => emit("open");
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") words(JSON.parse(data));
    else frame(data);
  };
  socket.onclose = () => {
    emit("gone");
    setTimeout(connect, 1500);
  };
}

function words(message) {
  if (message.type === "about") now.about = message;
  emit(message.type, message);
}

// A frame: length of the header, header, then the pixels of each pane.
function frame(data) {
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(decoder.decode(new Uint8Array(data, 4, length)));
  let place = 4 + length;
  for (const pane of head.panes) {
    const size = pane.width * pane.height * 3;
    pane.pixels = new Uint8Array(data, place, size);
    place += size;
  }
  requestAnimationFrame(() => {
    now.head = head;
    emit("frame", head);
    send("ack"); // the next frame comes only now: a slow page skips, and never queues
  });
}

// Fetch something to keep, and hand it to the browser as a file.
export async function take(name, wish = {}) {
  const query = new URLSearchParams({ token, ...wish });
  const answer = await fetch(`take/${name}?${query}`);
  if (!answer.ok) {
    const inWords = answer.headers.get("content-type")?.startsWith("application/json");
    emit("fault", inWords ? await answer.json() : { what: "It cannot be taken.", where: `status ${answer.status}`, to_do: "" });
    return null;
  }
  const said = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = said ? said[1] : name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return { name: link.download, notice: answer.headers.get("x-notice") };
}
