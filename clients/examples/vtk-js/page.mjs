// An image of a Cubelink server in vtk.js's remote view: drag to pan, wheel to zoom.
//
//     ?file=m51.fits&token=SECRET      the file to show, and the secret that the server printed with its address
//     &server=ws://host:1234/ws        if the page does not come from the server itself (which then needs --allow-origin)
import vtkWSLinkClient from "@kitware/vtk.js/IO/Core/WSLinkClient";
import vtkRemoteView from "@kitware/vtk.js/Rendering/Misc/RemoteView";
import SmartConnect from "wslink/src/SmartConnect";

const asked = new URLSearchParams(location.search);
const message = document.getElementById("message");

vtkWSLinkClient.setSmartConnectClass(SmartConnect);
const client = vtkWSLinkClient.newInstance();

async function show() {
  await client.connect({ sessionURL: asked.get("server") ?? `${location.origin.replace(/^http/, "ws")}/ws`, secret: asked.get("token") ?? "" });
  const session = client.getConnection().getSession();
  await session.call("carta.register.viewer", [{ session_id: 0 }]);
  const opened = await session.call("carta.open.file", [{ directory: asked.get("folder") ?? "", file: asked.get("file") ?? "", file_id: 0 }]);
  if (!opened.success) throw new Error(opened.message);

  const view = vtkRemoteView.newInstance({
    rpcWheelEvent: "viewport.mouse.zoom.wheel",
    viewStream: client.getImageStream().createViewStream("0"), // the view of a file has its id
  });
  view.setSession(session);
  view.setContainer(document.getElementById("view"));
  view.setInteractiveQuality(60);
  view.setInteractiveRatio(0.5);
  addEventListener("resize", view.resize);
  message.textContent = "";
  // For the browser's console, and for the test.
  Object.assign(window, { session, view });
}

show().catch((error) => {
  message.textContent = error.message ?? error.data?.exception ?? String(error);
});
